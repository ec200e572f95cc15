"""Convolution blocks and the hourglass of the latent flow generator (paper 4.1: after Johnson et al. and MRAA).

Attributes are named after the published state-dict keys. Every block uses batch normalisation. Maps are channels last
in memory, which CPUs convolve a third faster; values are independent of the layout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import Hourglass as HourglassSizes
from dawn.errors import InputError


class SameBlock(nn.Module):
    """Convolution, normalisation, ReLU at constant size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, h, w), non-negative."""
        return F.relu(self.norm(self.conv(channels_last(x))), inplace=True)


class DownBlock(SameBlock):
    """Block :class:`SameBlock` followed by average pooling of 2 x 2 pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, h / 2, w / 2), non-negative."""
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(SameBlock):
    """Nearest-neighbour upsampling by 2 followed by :class:`SameBlock` with a kernel of 3.

    A 3 x 3 kernel over doubled pixels covers only 2 x 2 different ones, so both steps are one transposed convolution of
    the small map: the same sums with 4 products instead of 9.
    """

    # Each row (and column) of the transposed 4 x 4 kernel as a sum of rows of the 3 x 3 kernel.
    ROW_SUMS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))

    kernel_sums: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        rows = torch.tensor(self.ROW_SUMS)
        self.register_buffer("kernel_sums", torch.kron(rows, rows).t().contiguous(), persistent=False)  # (9, 16)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out, 2 h, 2 w), non-negative."""
        kernel = (self.conv.weight.flatten(2) @ self.kernel_sums).unflatten(2, (4, 4)).transpose(0, 1)
        out = F.conv_transpose2d(channels_last(x), kernel, self.conv.bias, stride=2, padding=1)
        return F.relu(self.norm(out), inplace=True)


class ResBlock(nn.Module):
    """Residual block of two convolutions, each after normalisation and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, channels, h, w) to the same shape."""
        x = channels_last(x)
        h = self.conv1(F.relu(self.norm1(x), inplace=True))
        return x + self.conv2(F.relu(self.norm2(h), inplace=True))


class Encoder(nn.Module):
    """Sequence of down blocks; channels double from ``2 * expansion`` up to ``max_features``."""

    def __init__(self, sizes: HourglassSizes, in_channels: int) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList(
            DownBlock(in_channels if i == 0 else width(sizes, i), width(sizes, i + 1)) for i in range(sizes.blocks)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the input (b, c, h, w) and the output of each block, each half the size of the one before.

        Raises InputError when h or w cannot be halved as often as there are blocks.
        """
        parts = 2 ** len(self.down_blocks)
        if x.shape[-1] % parts or x.shape[-2] % parts:
            raise InputError(
                f"an hourglass of {len(self.down_blocks)} blocks needs sides divisible by {parts}, "
                f"got {x.shape[-2]} x {x.shape[-1]}; use fewer blocks, or a larger scale or resolution"
            )
        maps = [x]
        for block in self.down_blocks:
            maps.append(block(maps[-1]))
        return maps


class Decoder(nn.Module):
    """Sequence of up blocks, each followed by concatenation with the encoder's map of the size reached."""

    def __init__(self, sizes: HourglassSizes) -> None:
        super().__init__()
        last = sizes.blocks - 1
        self.up_blocks = nn.ModuleList(
            UpBlock((1 if i == last else 2) * width(sizes, i + 1), width(sizes, i)) for i in range(last, -1, -1)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Decode the maps of the encoder to (b, channels, h, w) of the size of the first map."""
        out = maps[-1]
        for block, skip in zip(self.up_blocks, reversed(maps[:-1]), strict=True):
            out = torch.cat([block(out), skip], dim=1)
        return out


class Hourglass(nn.Module):
    """Encoder and decoder with skip connections; the outermost is the input itself."""

    def __init__(self, sizes: HourglassSizes, in_channels: int) -> None:
        super().__init__()
        self.encoder = Encoder(sizes, in_channels)
        self.decoder = Decoder(sizes)
        self.out_channels = width(sizes, 0) + in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in, h, w) to (b, out_channels, h, w)."""
        return self.decoder(self.encoder(x))


def channels_last(x: Tensor) -> Tensor:
    """Return x (b, c, h, w) with the channels of a pixel adjacent in memory."""
    return x.contiguous(memory_format=torch.channels_last)


def width(sizes: HourglassSizes, level: int) -> int:
    """Return the number of channels after `level` halvings."""
    return min(sizes.max_features, sizes.expansion * 2**level)
