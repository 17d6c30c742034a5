"""One backend's score as an SVG badge, whose text says what its colour says."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from .facts import Record, scores

_COLOURS = {"conforms": "#1a6b3c", "fails": "#b3261e", "broken": "#b3261e"}
_GREY, _DARK = "#5c6066", "#2b2d31"
_FONT_SIZE, _HEIGHT, _PADDING = 11, 20, 7

# Advances of DejaVu Sans in thousandths of the font size; Verdana's are within 2 % of them.
_ADVANCES = {
    character: advance
    for advance, characters in {
        280: "'ijl",
        295: "IJ",
        318: " ,.·",
        337: "/:;\\|",
        355: "f-",
        391: "()[]t",
        405: "!r",
        460: '"',
        500: "*_`",
        525: "sz?",
        550: "cL",
        578: "Fk",
        592: "vxy",
        611: "TYPoae",
        635: "EhnuSbdgpq$0123456789{}",
        656: "K",
        685: "AVXZBRC",
        750: "UNHDG",
        785: "&OQ",
        818: "w",
        838: "#+<=>^~",
        863: "M",
        960: "%m",
        990: "W@",
    }.items()
    for character in characters
}


def text_width(text: str) -> float:
    """Return how wide a badge's text is, in pixels."""
    return sum(_ADVANCES.get(character, 1000) for character in text) * _FONT_SIZE / 1000


def words(report: Record, backend: Record) -> str:
    """Return a badge's text: the state, the score and the suite's version."""
    state = backend["state"]
    if state in ("absent", "broken"):
        return f"{state} · {report['suite']}"
    if report["selection"] is not None:
        state = "part of the suite"
    return " · ".join([state, *scores(backend), report["suite"]])


def render(report: Record, backend: Record) -> str:
    """Return one backend's badge as SVG."""
    name, text = backend["name"], words(report, backend)
    colour = _COLOURS.get(text.partition(" · ")[0], _GREY)
    left, right = (round(text_width(part)) + 2 * _PADDING for part in (name, text))
    title = escape(f"{name}: {text}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" '
        f'role="img" aria-label={quoteattr(f"{name}: {text}")}>'
        f"<title>{title}</title>"
        f'<rect width="{left}" height="{_HEIGHT}" fill="{_DARK}"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{colour}"/>'
        f'<g fill="#fff" font-family="DejaVu Sans,Verdana,Geneva,sans-serif" font-size="{_FONT_SIZE}">'
        f"{_text(name, _PADDING)}{_text(text, left + _PADDING)}</g></svg>\n"
    )


def _text(text: str, x: int) -> str:
    # textLength keeps the text inside its box in fonts of other widths.
    return f'<text x="{x}" y="14" textLength="{text_width(text):.1f}">{escape(text)}</text>'
