"""Views of clips: strided, and without pose and blink."""

from __future__ import annotations

import torch

from dawn.models.build import build_flow_generator
from dawn.training.a2v import A2vTask
from dawn.training.batch_shard import BatchShard
from dawn.training.clip_views import StridedClips, WithoutPoseBlink
from tests.support.clips import InMemoryClips
from tests.support.networks import config, shaken


def test_strided_clips_hold_every_frame_once() -> None:
    clips = InMemoryClips(config())
    strided = StridedClips(clips, 4)
    assert len(strided) == 8 and [strided.length(index) for index in range(4)] == [4, 4, 3, 3]
    assert torch.equal(strided.frames(6), clips.frames(1)[2::4])
    assert torch.equal(strided.frames(6, [2, 0]), clips.frames(1)[[10, 2]])
    assert torch.equal(strided.rows(6, "speech"), clips.rows(1, "speech")[2::4])
    assert torch.equal(strided.rows(6, "pose", slice(1, 3)), clips.rows(1, "pose", [6, 10]))


def test_the_ablation_without_pbnet_trains_with_pose_and_blink_of_zero() -> None:
    """Paper 4.5; all that a clip has beside them stays."""
    tiny = config()
    clips = InMemoryClips(tiny)
    view = WithoutPoseBlink(clips)
    assert not view.rows(1, "pose").any() and not view.rows(1, "blink").any() and clips.rows(1, "pose").any()
    assert torch.equal(view.rows(1, "speech"), clips.rows(1, "speech"))
    assert len(view) == len(clips) and view.length(1) == clips.length(1)
    assert torch.equal(view.frames(1, [3, 0]), clips.frames(1, [3, 0]))
    ablation = tiny.model_copy(update={"a2v": tiny.a2v.model_copy(update={"pose_blink": False})})
    shard = BatchShard(0, "a2v_stage2", 0, 2, range(2))
    for settings, conditioned in ((tiny, True), (ablation, False)):
        stage = settings.a2v.stage2.model_copy(update={"frames_min": 3, "frames_max": 3})
        batch = A2vTask(settings, stage, clips, shaken(build_flow_generator(tiny))).sampler(shard)
        assert bool(batch.pose.any() and batch.eye.any()) == conditioned
        assert conditioned or not (batch.pose.any() or batch.eye.any())
