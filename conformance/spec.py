"""The specification: numbered clauses in plain words. `SPEC.md` is made from this list.

``python -m isomorph.conformance.spec > conformance/SPEC.md``
"""

from __future__ import annotations

from dataclasses import dataclass

# The suite's version (year, month, and a letter for a second one in a month) and the spec's major.
# Every suite there was; the last is this one.
SUITES = ("2026.11",)
SUITE = SUITES[-1]
MAJOR = 1


@dataclass(frozen=True)
class Clause:
    """One obligation of a backend."""

    id: str
    text: str


CHAPTERS = {
    "D": ("Deferral", "What is known before data, and when values come to be."),
    "I": ("Inference", "Which sizes follow from an input."),
    "N": ("Initialization", "Which values parameters start with, bit by bit."),
    "P": ("Parameters and state", "Paths, layouts, reading, writing, copies and moves."),
    "S": ("Sharing", "Modules and parameters that several places hold."),
    "A": ("Arguments", "What a net may be given, and what it gives."),
    "F": ("Forwards", "What a forward may use: it means the same everywhere, compiled or not."),
    "E": ("Errors", "One class each, with path, expected and received; nothing half changed."),
    "L": ("Layers", "What each layer and each function computes."),
    "M": ("Modes and statistics", "Training, evaluation, and state that calls change."),
    "G": ("Gradients", "Derivatives by every learned element."),
    "W": ("Native modules", "That what the framework is given is its own."),
    "C": ("Compiled calls", "That speed changes no answer."),
}

CLAUSES: tuple[Clause, ...] = tuple(
    Clause(name, " ".join(text.split()))
    for name, text in (
        (
            "D-1",
            """Before data, a size that depends on the input is unknown (null), never zero, one or a
            guess; every size that does not is known.""",
        ),
        ("D-2", "Before data, no parameter has values, and the framework holds no memory for one."),
        (
            "D-3",
            "Asking for initial values before sizes are known records the request: no law is called, "
            "no state changes.",
        ),
        ("D-4", "The first call on data gives every parameter its sizes and its values, at once."),
        (
            "D-5",
            """A law is called once for each parameter, in the declared order; a second call on data
            calls none.""",
        ),
        ("D-6", "Where sizes are known, asking for initial values gives them at once."),
        (
            "D-7",
            """A layer's parameters become ready together; other layers wait only for their own
            sizes.""",
        ),
        (
            "D-8",
            "Inferring from shapes gives sizes and nothing else: no values, no statistics, no random "
            "numbers.",
        ),
        ("D-9", "A failure while sizes are inferred leaves every parameter of the net as it was."),
        ("D-10", "apply_init infers from data and initializes: values exist when it returns."),
        ("D-11", "A size given to the constructor ends the deferral of that layer at once."),
        ("D-12", "Inputs given by keyword, several inputs and absent inputs are inferred from alike."),
        ("D-13", "Values set on a deferred parameter give it its sizes; the rest still waits."),
        (
            "D-14",
            "After a call, modules may be appended, replaced and removed; what is new is deferred, "
            "what stays keeps its values.",
        ),
        ("D-15", "Threads that call a deferred net at once initialize it once."),
        ("I-1", "A Dense layer's weight is (units, size of the input's last axis), whatever the rank."),
        ("I-2", "Sizes flow through a chain of layers and through a user's own forward."),
        ("I-3", "A convolution's weight is (out, in / groups, *kernel) in both data formats."),
        ("I-4", "A normalization's parameters have the number of channels, or of last-axis features."),
        ("I-5", "Another batch size, or further leading axes for Dense, infer nothing anew."),
        ("I-6", "Another feature size than the known one is an error and changes nothing."),
        ("I-7", "A user's build fills the unknown sizes of the module's own parameters."),
        ("I-8", "Sizes left open stay open where they matter and nowhere else."),
        (
            "I-9",
            "An input that does not divide into the groups, or a window larger than its input, is an "
            "error and changes nothing.",
        ),
        ("I-10", "Over the table of options, windows give the sizes that the closed formulas say."),
        (
            "I-11",
            """Inference says the shape and the type of a layer's output, from whole shapes and from shapes
            with open sizes.""",
        ),
        (
            "I-12",
            """Inference says the shapes and the types of what each function of isomorph.ops gives, as a call
            does.""",
        ),
        (
            "N-1",
            """Built-in laws draw from the stream of (seed, canonical path): SFC64 seeded by the seed
            and the SHA-256 of the path; the values are equal bit by bit on every backend.""",
        ),
        ("N-2", "Without a law, each layer's values follow its default law, that of PyTorch."),
        ("N-3", "Scale laws count fans in the canonical layout: in / groups times the window, and out."),
        ("N-4", "A law given to a net is for its weights: biases become zero and norm scales one."),
        (
            "N-5",
            """A parameter's values do not depend on other layers, on the order of building, on
            deferral, or on the number of threads.""",
        ),
        (
            "N-6",
            """Precedence: a request on the parameter or its own layer, a pattern, the constructor's
            law, the nearest enclosing module, the whole net, the default; the later of two of a rank.""",
        ),
        ("N-7", "Patterns choose parameters by their whole path inside the module they are given to."),
        ("N-8", "force draws ready parameters anew, at once and in the same order."),
        ("N-9", "Without force, ready parameters keep their values and a warning says so."),
        ("N-10", "The latest seed that was named holds, until another is named."),
        ("N-11", "Values are drawn in single precision and cast to the net's type."),
        (
            "N-12",
            "A law that raises, or gives what does not fit, is an InitializerError with the path; no "
            "parameter changes.",
        ),
        ("N-13", "A user's law is called with path, shape, type and the stream of that path."),
        ("P-1", "Paths are structural, in the order of the tree, and the same before and after data."),
        ("P-2", "Values are read and written in the canonical layout, whatever the native one is."),
        ("P-3", "In-place edits change the values that the next call uses."),
        ("P-4", "Values of another shape are refused, and nothing changes."),
        ("P-5", "The number of learned elements counts a parameter once and buffers never."),
        ("P-6", "Patterns select parameters before sizes are known as well as after."),
        ("P-7", "A copy of a net is independent of it, in every state."),
        ("P-8", "A net survives pickling with its values, or deferred as it was."),
        ("P-9", "Values survive a move to another backend and back, bit by bit."),
        ("P-10", "A type chosen before data holds when data comes; ready values are cast."),
        ("P-11", "Buffers are state but not learned."),
        ("P-12", "Lowering returns the net itself, and says which backend it is on."),
        ("P-13", "A parameter can be frozen in any state, and stays so until it is told otherwise."),
        ("P-14", "A frozen parameter is a parameter: it has its place, its count and its initial values."),
        ("P-15", "Printed parameters, and a printed summary, show every parameter with its shape."),
        ("S-1", "A module met at two paths is one module: its parameters count under the first path."),
        ("S-2", "A parameter held by two layers is one parameter, in whatever layouts they store it."),
        ("S-3", "Whichever of the sharing places sees data first gives the sizes for both."),
        ("S-4", "Sharing places that need different sizes are an error, and nothing changes."),
        ("S-5", "Copies and pickles keep sharing, inside and not with the original."),
        ("S-6", "Values set through one path are seen through every other."),
        ("S-7", "A shared parameter is drawn once."),
        (
            "A-1",
            """Inputs may be given by position or by name, to nets and layers, from outside and inside a
            forward.""",
        ),
        (
            "A-2",
            """Inputs may be tuples, lists, dicts, named tuples and data classes of tensors, nested as
            forward takes them.""",
        ),
        (
            "A-3",
            """Outputs may be nested as well; they come back in the containers that forward returns, what
            is no tensor as it is.""",
        ),
        (
            "A-4",
            """What is no tensor in an input counts by value and type: True, 1, 1.0 and None are four.""",
        ),
        ("A-5", "Inference, initialization and gradients take nested inputs as calls do."),
        (
            "A-6",
            """to_numpy gives a net's output as NumPy arrays, inside the containers that it has.""",
        ),
        (
            "A-7",
            """Later calls may have other ranks, batch sizes, names and containers; each gives what a first
            one would.""",
        ),
        (
            "F-1",
            """A forward reads its own, its children's and their children's parameters and buffers, in the
            canonical layout, once their sizes are known: before the child's call and after it.""",
        ),
        ("F-2", "Gradients flow through parameters that a forward reads, wherever they are."),
        (
            "F-3",
            """A forward may ask for the batch's size in Python: compare it, look it up, count, iterate,
            return it; each size gets its own answer.""",
        ),
        (
            "F-4",
            """What lists and dicts hold that are attributes is read as it is at the time of the call.""",
        ),
        (
            "F-5",
            """Inside a forward a buffer's update replaces its values, for later reads too; a failed call
            undoes it, inference does none.""",
        ),
        (
            "F-6",
            """A forward that assigns an attribute is a StructureError with its module's path, and nothing
            changes.""",
        ),
        (
            "F-7",
            """A module that a forward reaches and the tree does not hold is a StructureError that names
            its class.""",
        ),
        (
            "F-8",
            """Parameters in a list or a dict of an attribute are parameters, with the place or key in
            their paths.""",
        ),
        ("F-9", "The mode that a forward asks for is its module's at the time of the call."),
        ("E-1", "A size that does not fit is a ShapeMismatchError with path, expected and received."),
        ("E-2", "A rank that does not fit is a ShapeMismatchError with the path."),
        ("E-3", "A type that does not fit is a DTypeMismatchError with the path."),
        ("E-4", "Reading a parameter without values is a DeferredInitializationError with path and shape."),
        (
            "E-5",
            "Every error refines a built-in one, names the path in its first line and the next step "
            "after it.",
        ),
        ("E-6", "After any of these errors the net works as if the failed step had not been."),
        ("E-7", "A pattern that matches nothing is an InvalidArgumentError."),
        ("E-8", "A parameter that the forward never reaches is a StructureError with its path."),
        ("L-1", "Dense computes ``x @ weight.T + bias``, then its activation."),
        (
            "L-2",
            "Convolutions are cross-correlations, as the closed formula with stride, padding, dilation "
            "and groups says.",
        ),
        ("L-3", 'Padding "same" gives ceil(size / stride) positions, the odd extra zero at the end.'),
        ("L-4", "Max pooling takes each window's greatest element; padding never wins."),
        (
            "L-5",
            "Average pooling takes each window's mean; padded zeros count unless told otherwise, those "
            'of "same" never.',
        ),
        ("L-6", "Global average pooling takes each channel's mean over height and width."),
        ("L-7", "Layer normalization works on the last axis, eps under the root."),
        ("L-8", "Embedding gives the weight's rows; an index outside the table is an error."),
        ("L-9", "Flatten orders channels, height, width in both data formats."),
        ("L-10", "Activations follow their published formulas; GELU is exact."),
        ("L-11", "Outputs have the net's type, and the shape that inference said."),
        (
            "L-12",
            "Each function of isomorph.ops gives what the Array API standard, or its own docstring, says.",
        ),
        ("L-13", "Every layer computes in every type that the backend says it holds."),
        ("L-14", "Layers chain, nest and run in a user's own forward."),
        (
            "L-15",
            "Group normalization works on a group's channels at all positions, by the biased variance, eps "
            "under the root.",
        ),
        ("M-1", "A net starts in training mode."),
        ("M-2", "In training, BatchNorm normalizes by the batch's mean and biased variance."),
        (
            "M-3",
            "In training, running statistics move by momentum towards the batch's mean and unbiased "
            "variance, once a call.",
        ),
        ("M-4", "In evaluation, BatchNorm uses running statistics and changes none."),
        ("M-5", "In evaluation, Dropout is the identity."),
        ("M-6", "In training, Dropout zeroes elements with probability p and scales the rest by 1/(1-p)."),
        ("M-7", "The mode can be set for a part of a net, at any time."),
        (
            "G-1",
            "Gradients equal the derivative of the loss by each learned element, in the canonical layout.",
        ),
        ("G-2", "A shared parameter's gradient sums over its uses."),
        ("G-3", "Rows of an embedding that occur several times gather all their gradients."),
        ("G-4", "In training, gradients pass through the batch's statistics."),
        ("G-5", "Gradients are given for learned parameters only, and a deferred net is made ready first."),
        ("G-6", "A parameter keeps the gradient last asked for; before that, and frozen, it has none."),
        ("W-1", "A layer's native object is of the framework's own class, as the backend's profile claims."),
        ("W-2", "The framework itself lists parameters of the claimed names, and no others."),
        ("W-3", "Before data the framework's own deferral is used: it holds no memory for what waits."),
        ("W-4", "A user's own module is lowered to an instance of the user's class."),
        ("W-5", "Native tensors go in, native tensors come out."),
        ("W-6", "The framework's state tree, where there is one, can be read and given back."),
        ("W-7", "A script in the framework's own API, without Isomorph, gives what the layer gives."),
        ("C-1", "A compiled call gives what an eager one gives."),
        ("C-2", "A compiled call takes another batch size."),
        ("C-3", "A compiled call follows changes of mode and of values."),
        (
            "C-4",
            "Once compiled, the user's forward runs in Python no more for inputs of the same shape; "
            "with compile=False it runs at every call.",
        ),
    )
)


def clause(name: str) -> Clause:
    """Return a clause by its id."""
    return next(each for each in CLAUSES if each.id == name)


def page() -> str:
    """Return the specification in Markdown."""
    lines = [
        "# What a backend must do",
        "",
        f"Specification {MAJOR}, suite {SUITE}. Made by `python -m isomorph.conformance.spec`; a test fails",
        "when it is stale. Every clause has cases and every case a clause:",
        "`isomorph conformance list --clause D-1` shows them.",
    ]
    for letter, (title, about) in CHAPTERS.items():
        lines += ["", f"## {letter}. {title}", about, ""]
        lines += [f"- **{each.id}** {each.text}" for each in CLAUSES if each.id.startswith(f"{letter}-")]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
