"""The Python API: README's lines as they stand there, what is known reaches the network, mistakes get one sentence."""

import re
import struct
import zlib
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from chromm_ros.api import Model, load
from chromm_ros.body.skeleton import HEAD, LANDMARKS, NAMES
from chromm_ros.body.smplx_body import SmplxBody
from chromm_ros.data.bag import BagReader
from chromm_ros.errors import ConfigError, FileError, InputError
from chromm_ros.geometry.camera import project
from chromm_ros.model import weight_files
from chromm_ros.model.checkpoint import Card, save_weights
from chromm_ros.model.config import SIZES, ModelOptions
from chromm_ros.model.initialise import untrained
from chromm_ros.model.inputs import Batch

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"size": "nano", "device": "cpu", "scene_pixels": 2352, "human_size": 224}


@cache
def model() -> Model:
    return load("untrained", **SMALL)


@cache
def photographs() -> tuple[bytes, ...]:
    """One JPEG of each of two cameras of the bundled recording."""
    found: dict[str, bytes] = {}
    with BagReader(ROOT / "test/data/pose2sim_clip") as bag:
        for message in bag.messages():
            if message.topic.endswith("compressed"):
                found.setdefault(message.topic, bytes(bag.deserialize(message).data))
            if len(found) == 2:
                break
    return tuple(found.values())


def picture(width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def pinhole(width: int = 64, height: int = 48, focal: float = 60.0) -> np.ndarray:
    return np.array(((focal, 0, width / 2), (0, focal, height / 2), (0, 0, 1)))


def shifted(metres: float) -> np.ndarray:
    pose = np.eye(4)
    pose[0, 3] = metres
    return pose


def test_the_five_lines_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = re.search(r"```python\n(from chromm_ros\.api .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert lines is not None
    assert len(lines[1].splitlines()) == 5
    for name, data in zip(("left", "right"), photographs(), strict=True):
        (tmp_path / f"{name}.jpg").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weight_files, "SHIPPED", tmp_path)  # what trained weights find on these photographs is not asked here
    there: dict = {}
    exec(lines[1], there)  # as a user pastes them
    prediction, bodies = there["prediction"], there["bodies"]
    people = len(prediction.person_frame)
    assert people > 0
    assert bodies.vertices.shape == (people, 10475, 3)
    assert str(bodies.joints.shape) in capsys.readouterr().out
    assert there["model"].weights == "untrained"


def test_bodies_have_their_heads_where_the_prediction_sees_them() -> None:
    prediction = model()([picture(), picture(40, 60)], intrinsics=[None, pinhole(40, 60)])
    bodies = model().bodies(prediction)
    assert bodies.joints.shape == (len(prediction.person_frame), len(NAMES) + len(LANDMARKS), 3)
    assert len(bodies.joints) > 1
    torch.testing.assert_close(bodies.joints[:, HEAD], prediction.head_position, atol=1e-4, rtol=0)
    pixels = project(bodies.joints[:, HEAD].numpy(), prediction.intrinsics[prediction.person_frame].numpy())
    np.testing.assert_allclose(pixels, prediction.head_pixel, atol=0.05)
    assert model().faces.max() == bodies.vertices.shape[1] - 1


def test_nothing_is_kept_that_no_call_can_use_again() -> None:
    model()([picture()])
    assert model()._predictor._cache is None
    assert not model()._predictor._make._ready


def test_the_body_moves_to_a_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moves: list[object] = []
    move = SmplxBody.to
    monkeypatch.setattr(SmplxBody, "to", lambda body, device: (moves.append(device), move(body, device))[1])
    prediction = model()([picture()])
    model().bodies(prediction)
    model().bodies(prediction)
    assert len(moves) <= 1


def test_images_come_in_any_form_and_size(tmp_path: Path) -> None:
    from PIL import Image

    images = [picture(64, 48, 1), picture(50, 70, 2)]
    Image.fromarray(images[1]).save(tmp_path / "second.png")
    plain = model()(images)
    assert plain.image_size.tolist() == [[64, 48], [50, 70]]
    assert plain.step.tolist() == [0, 0]
    assert plain.view.tolist() == [0, 1]
    for form in (
        [torch.from_numpy(images[0]), tmp_path / "second.png"],
        (Image.fromarray(images[0]), str(tmp_path / "second.png")),
        iter(images),
    ):
        assert torch.equal(model()(form).points, plain.points)
    assert len(model()(np.stack([images[0]] * 3)).points) == 3, "one array of images of one size"


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_depth_of_any_float(kind: torch.dtype) -> None:
    depth = torch.full((48, 64), 2.0)
    assert torch.equal(model()([picture()], depths=[depth.to(kind)]).points, model()([picture()], depths=[depth]).points)


def test_exif_turns_files_and_pil_images_alike(tmp_path: Path) -> None:
    from PIL import Image

    path, exif = tmp_path / "lying.jpg", Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    Image.fromarray(picture()).save(path, exif=exif)
    predictions = [model()([image]) for image in (path, Image.open(path))]
    assert [entry.image_size.tolist() for entry in predictions] == [[[48, 64]]] * 2
    assert np.abs(np.subtract(*(entry.colors.numpy().astype(int) for entry in predictions))).max() < 10, (
        "two decoders, same side up"
    )


def test_damaged_pictures_are_one_sentence(tmp_path: Path) -> None:
    from PIL import Image

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    huge, cut = tmp_path / "huge.png", tmp_path / "cut.jpg"
    huge.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b""))
    cut.write_bytes(photographs()[0][:3000])
    for image, sentence in (
        (huge, r"image 0, '.*huge.png', cannot be read \(pixels"),
        (Image.open(cut), "image 0 cannot be read .*truncated"),
    ):
        with pytest.raises(InputError, match=sentence) as caught:
            model()([image])
        assert "\n" not in str(caught.value)


def test_what_is_known_is_used_for_its_own_image() -> None:
    images = [picture(seed=seed) for seed in range(3)]
    plain = model()(images)
    known = {
        "intrinsics": [None, pinhole(), torch.from_numpy(pinhole())],
        "poses": [np.eye(4), shifted(1.0), None],
        "depths": [None, np.full((48, 64), 2.0), np.full((48, 64), np.nan)],
    }
    for name, values in known.items():
        told = model()(images, **{name: values})
        assert told.points.isfinite().all()
        assert float((told.points - plain.points).abs().max()) > 1e-5, name
    told = model()(images, **known)
    for index in (1, 2):
        np.testing.assert_allclose(told.intrinsics[index], pinhole())
    nothing = model()(images, [None] * 3, [None] * 3, [None] * 3)
    assert torch.equal(nothing.points, plain.points)


def test_poses_far_from_the_origin_reach_the_network_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTM: half a metre would be one step of float32."""
    batches: list[Batch] = []
    infer = model()._predictor.infer
    monkeypatch.setattr(model()._predictor, "infer", lambda batch: (batches.append(batch), infer(batch))[1])
    utm = shifted(691_607.123)
    utm[1, 3] = 5_334_760.377
    other = utm.copy()
    other[:2, 3] += 0.37, 0.11
    model()([picture(), picture(seed=1)], poses=[utm, torch.from_numpy(other)])
    np.testing.assert_allclose(batches[0].views.world_from_cam[1, :3, 3], (0.37, 0.11, 0), atol=1e-6)


def test_weights_by_their_file(tmp_path: Path) -> None:
    path, network = tmp_path / "mine.safetensors", untrained(ModelOptions(**SMALL).network(), 7)
    save_weights(path, network.state_dict(), Card("mine", "chromm", asdict(network.config)))
    trained, drawn = load(path, **SMALL), load("untrained", seed=7, **SMALL)
    assert trained.weights == "mine"
    assert torch.equal(trained([picture()]).points, drawn([picture()]).points)
    assert not torch.equal(trained([picture()]).points, model()([picture()]).points)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files under the published names, tiny and drawn."""
    monkeypatch.setenv("CHROMM_WEIGHTS", str(tmp_path))
    read = model().body
    monkeypatch.setattr(SmplxBody, "load", lambda _: read)  # reading it again takes a second
    network, config = untrained(SIZES["tiny"], 7, "cpu", "compose"), SIZES["tiny"]
    for name, kind, part, sizes in (
        ("pi3x", "scene", network.scene, config.scene),
        ("multiHMR_896_L", "human", network.human, config.human),
    ):
        save_weights(tmp_path / f"{name}.safetensors", part.state_dict(), Card(name, kind, asdict(sizes)))
    return tmp_path


def test_published_names_fill_the_branch_that_they_are(published: Path) -> None:
    assert load("pi3x", device="cpu").weights == "pi3x, people untrained"
    assert load("multiHMR_896_L", device="cpu").weights == "multiHMR_896_L, scene and heads untrained"
    both = load(
        published / "pi3x.safetensors", mode="compose", human_weights=published / "multiHMR_896_L.safetensors", device="cpu"
    )
    assert both.weights == "pi3x + multiHMR_896_L"
    with pytest.raises(ConfigError, match="scene_weights is 'x', but 'pi3x' holds the same part"):
        load("pi3x", scene_weights="x")


def test_the_compose_line_of_the_readme(published: Path) -> None:
    line = re.search(r"`model = (load\(mode=.*?\))`", (ROOT / "README.md").read_text())
    assert line is not None
    assert eval(line[1]).weights == "pi3x + multiHMR_896_L"


def test_compose_mode_by_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    read = model().body
    monkeypatch.setattr(SmplxBody, "load", lambda _: read)  # reading it again takes a second
    composed = load(mode="compose", **SMALL)
    prediction = composed([picture(), picture(seed=1)])
    assert composed.bodies(prediction).joints.shape[0] == len(prediction.person_frame)


MISTAKES = [
    ({"images": []}, "there are no images"),
    ({"images": "left.jpg"}, r"images is the path 'left.jpg', expected a list"),
    ({"images": ["nowhere.jpg"]}, r"image 0, 'nowhere.jpg', cannot be read"),
    ({"images": [picture() / 255]}, "image 0 has values of type float64, expected uint8"),
    ({"images": [object()]}, "image 0 has values of type object, expected uint8"),
    ({"images": picture()}, r"image 0 has the shape \(64, 3\), expected height x width x 3"),
    ({"images": [picture(), picture().transpose(2, 0, 1)]}, r"image 1 has the shape \(3, 48, 64\)"),
    ({"images": [picture()[:0]]}, r"image 0 has the shape \(0, 64, 3\)"),
    ({"intrinsics": [pinhole()] * 2}, "intrinsics has 2 entries for 1 images"),
    ({"poses": []}, "poses has 0 entries for 1 images"),
    ({"depths": [None] * 3}, "depths has 3 entries for 1 images"),
    ({"intrinsics": pinhole()}, "intrinsics has 3 entries for 1 images"),
    ({"intrinsics": [[60, 60, 32, 24]]}, r"intrinsics of image 0 has the shape \(4,\) and type int64, expected numbers 3 x 3"),
    ({"intrinsics": [[[1, 2], [3]]]}, "intrinsics of image 0 has the shape .* type object"),
    ({"intrinsics": [pinhole(focal=np.nan)]}, "intrinsics of image 0 holds NaN or infinity"),
    ({"intrinsics": [np.zeros((3, 3))]}, r"intrinsics of image 0 are .* expected \(\(fx"),
    ({"intrinsics": [pinhole().T]}, r"intrinsics of image 0 are .* expected \(\(fx"),
    ({"intrinsics": [2 * pinhole()]}, r"intrinsics of image 0 are .* expected \(\(fx"),
    ({"intrinsics": [-pinhole()]}, r"intrinsics of image 0 are .* positive fx"),
    ({"poses": [np.eye(3)]}, r"pose of image 0 has the shape \(3, 3\)"),
    ({"poses": [np.full((4, 4), np.inf)]}, "pose of image 0 holds NaN"),
    (
        {"poses": [shifted(1e39), shifted(1.0)], "images": [picture()] * 2},
        r"pose of image 0 holds 1e\+39, expected numbers up to 1e\+09",
    ),
    ({"intrinsics": [pinhole(focal=1e39)]}, r"intrinsics of image 0 holds 1e\+39"),
    ({"poses": [np.diag((2.0, 2, 2, 1))]}, "pose of image 0 is not rigid"),
    ({"poses": [np.diag((-1.0, 1, 1, 1))]}, "pose of image 0 is not rigid"),
    ({"poses": [shifted(1.0).T]}, "pose of image 0 is not rigid"),
    ({"depths": [np.ones((48, 64), np.uint16)]}, "depth of image 0 has values of type uint16, expected metres"),
    ({"depths": [np.ones((24, 32))]}, r"depth of image 0 has the shape \(24, 32\), expected \(48, 64\)"),
]


@pytest.mark.parametrize(("given", "sentence"), MISTAKES, ids=[sentence for _, sentence in MISTAKES])
def test_a_mistake_is_one_sentence(given: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        model()(**{"images": [picture()], **given})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "error", "sentence"),
    [
        ("", {"sise": "nano"}, ConfigError, "unknown setting 'sise', expected one of"),
        ("", {"score_min": 2.0}, ConfigError, "score_min is 2.0, expected at most 1"),
        ("", {"checkpoint": "x"}, ConfigError, "expected the weights as the first argument"),
        ("nowhere", {}, FileError, "nowhere"),
        ("", {"mode": "compose", "smplx_dir": "nowhere"}, FileError, "no SMPL-X model at nowhere"),
    ],
)
def test_options_that_are_none(name: str, options: dict, error: type, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        load(name, **options)
