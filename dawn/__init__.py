"""DAWN: talking heads by non-autoregressive diffusion.

>>> import dawn
>>> talker = dawn.load()                                                  # doctest: +SKIP
>>> video = talker.generate("portrait.png", "speech.wav")                 # doctest: +SKIP
>>> video.save("out.mp4")                                                 # doctest: +SKIP
PosixPath('out.mp4')

See :mod:`dawn.api`. Importing the package does not import torch; :func:`load` does.
"""

from typing import TYPE_CHECKING, Any

from dawn.version import VERSION as __version__

if TYPE_CHECKING:
    from dawn.api import Talker, Video, load

__all__ = ["Talker", "Video", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dawn import api

    return getattr(api, name)
