"""The discriminators of pose and blink sequences and of images."""

from __future__ import annotations

import pytest
import torch

from dawn.errors import InputError
from dawn.models.discriminator import MIN_FRAMES, ImageDiscriminator, PatchDiscriminator


def test_discriminator_is_the_published_patch_gan() -> None:
    net = PatchDiscriminator(6)
    convolutions = [m for m in net.modules() if isinstance(m, torch.nn.Conv1d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0], c.padding[0]) for c in convolutions] == [
        (6, 64, 4, 2, 1),
        (64, 128, 4, 2, 1),
        (128, 256, 4, 2, 1),
        (256, 256, 4, 1, 1),
        (256, 1, 4, 1, 1),
    ]
    assert net(torch.randn(3, 200, 6)).shape == (3, 200 // 8 - 2)
    assert net(torch.randn(3, MIN_FRAMES, 6)).shape == (3, 1)
    with pytest.raises(InputError, match=f"needs {MIN_FRAMES} frames, got 23"):
        net(torch.randn(3, MIN_FRAMES - 1, 6))


def test_discriminator_learns_to_separate_noise_from_waves() -> None:
    torch.manual_seed(0)
    net = PatchDiscriminator(2)
    phase = torch.rand(16, 1, 2) * 6
    waves = torch.sin(torch.arange(48)[None, :, None] * 0.3 + phase)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(15):
        noise = torch.randn(16, 48, 2) * 0.7
        loss = torch.nn.functional.softplus(-net(waves)).mean() + torch.nn.functional.softplus(net(noise)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        assert (net(waves) > 0).float().mean() > 0.9 and (net(torch.randn(16, 48, 2) * 0.7) < 0).float().mean() > 0.9


def test_an_image_is_classified_in_patches_of_46_pixels() -> None:
    torch.manual_seed(0)
    net = ImageDiscriminator()
    images = torch.rand(2, 3, 64, 64)
    logits, features = net(images)
    assert logits.shape == (2, 1, 7, 7)
    assert [tuple(feature.shape[1:]) for feature in features] == [(32, 32, 32), (64, 16, 16), (128, 8, 8)]
    images.requires_grad_()
    net(images)[0][:, :, 3, 3].sum().backward()
    assert images.grad is not None
    for axis in (2, 3):
        inside = torch.nonzero(images.grad.abs().sum((0, 1, axis))).ravel()
        assert int(inside[-1] - inside[0]) + 1 == 46
