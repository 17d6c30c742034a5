"""The import of TensorFlow and Keras, and devices."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from isomorph.adapter import Options
from isomorph.errors import BackendBrokenError, InvalidArgumentError


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's C++ start-up log off the terminal; anything else written is passed on.

    TensorFlow 2.21 logs before it reads TF_CPP_MIN_LOG_LEVEL, so only the descriptor helps.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    with tempfile.TemporaryFile() as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            log.seek(0)
            noise = re.compile(rb"[IW]\d{4} |WARNING: All log messages before absl|To enable the following")
            sys.stderr.write(b"".join(line for line in log if not noise.match(line)).decode(errors="replace"))


@contextmanager
def _keras_on_tensorflow() -> Iterator[None]:
    """Let a first import of Keras choose TensorFlow, leaving the environment as it was."""
    # Keras 3.15 imports JAX where it finds it, and that sets the second.
    before = {name: os.environ.get(name) for name in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL")}
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


with _quiet(), _keras_on_tensorflow():
    import keras
    import tensorflow as tf

if keras.config.backend() != "tensorflow":
    raise BackendBrokenError.named(
        "tensorflow",
        f"Keras was imported on its {keras.config.backend()} backend, which can't change in this process",
        "Restart the process with the environment variable KERAS_BACKEND=tensorflow.",
    )

EagerTensor = type(tf.constant(0))


def device_of(options: Options) -> AbstractContextManager[Any]:
    """Return the scope in which tensors are made on the options' device."""
    return nullcontext() if options.device is None else tf.device(options.device)


def check_device(options: Options) -> None:
    """Raise for a device that is not there; TensorFlow itself would silently take the CPU."""
    if options.device is None:
        return
    known = [device.name for device in tf.config.list_logical_devices()]
    try:
        wanted = tf.DeviceSpec.from_string(options.device)
        name = f"/device:{wanted.device_type}:{wanted.device_index or 0}"
    except (ValueError, AttributeError, TypeError):
        name = None
    if name not in known:
        raise InvalidArgumentError.choice("to", "device", known, options.device)
