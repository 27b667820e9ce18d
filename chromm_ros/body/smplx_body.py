"""SMPL-X: parameters to joints and vertices, by the `smplx` library's own functions.

The library's model class wants a batch size beforehand and multiplies 61 MB of pose blend shapes even where they are zero, as in the
free body. So it is used to read the file, and its linear blend skinning is called on the buffers that it holds.
"""

from __future__ import annotations

import contextlib
import copy
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from chromm_ros.body.decimate import coarse_faces
from chromm_ros.errors import FileError, InputError, require
from chromm_ros.records import BodyParams

FREE_BODY = Path(__file__).parent / "free" / "SMPLX_NEUTRAL.npz"
"""The body that ships with the package; see the licence beside it."""
_DISPLAY_FACES = 2000
_BETAS, _EXPRESSIONS = 11, 10
"""As many as any of Multi-HMR's networks gives (`num_betas` 10 or 11)."""
_NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")


class SmplxBody:
    """A body model that is loaded: 55 joints, V vertices, 10 expressions and 11 betas where the file has them, else 10.

    The records hold 10 betas; betas that are not given are zero.
    """

    kind: str
    """`smplx` for a licensed file, `free` for the body that ships with the package; their betas differ."""
    faces: Int[np.ndarray, "M 3"]
    """Triangles as indices of vertices, counter-clockwise seen from outside."""
    display_faces: Int[np.ndarray, "D 3"]
    """Fewer triangles on the same vertices, for display."""

    def __init__(self, path: Path, kind: str, gender: str = "neutral", vertex_ids: Mapping[str, int] | None = None) -> None:
        """Load a file; `load` finds it.

        Args:
            path: an .npz in the layout of SMPLX_NEUTRAL.npz.
            kind: `smplx` or `free`.
            gender: as the smplx library names it.
            vertex_ids: vertices of nose, eyes, ears, toes, heels and finger tips by the library's names; None: SMPL-X's own.
        """
        smplx = require("smplx", extra="body")
        self._lbs = smplx.lbs
        self.kind, self.gender = kind, gender
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it warns of what we do not use
                model = smplx.SMPLX(str(path), gender=gender, use_pca=False, flat_hand_mean=True, num_betas=_BETAS)
        except (
            OSError,
            EOFError,
            zipfile.BadZipFile,
            AttributeError,
            LookupError,
            ValueError,
            RuntimeError,
            AssertionError,
        ) as error:
            raise FileError(
                f"{path} cannot be read as an SMPL-X model ({type(error).__name__}: {error}), "
                f"expected an .npz with {', '.join(_NEEDED)}: download it again from smpl-x.is.tue.mpg.de"
            ) from error
        self.template: Float[Tensor, "V 3"] = model.v_template.detach()
        """Vertices at rest with all betas zero, metres."""
        self._shape_dirs: Float[Tensor, "V 3 K"] = torch.cat([model.shapedirs, model.expr_dirs], dim=-1).detach()
        self._weights: Float[Tensor, "V 55"] = model.lbs_weights.detach()
        self._parents: Int[Tensor, "55"] = model.parents.detach()
        self._pose_dirs: Float[Tensor, "N 486 W"] | None = (
            in_blocks(model.posedirs.detach()) if bool(model.posedirs.any()) else None
        )
        regressor = model.J_regressor.detach()
        self._joints_template: Float[Tensor, "55 3"] = regressor @ self.template
        self._joint_dirs: Float[Tensor, "55 3 K"] = torch.einsum("jv,vdk->jdk", regressor, self._shape_dirs)
        # Joints at rest are asked for in every window, for few bodies: NumPy takes a tenth of the time that torch needs to begin.
        self._rest: Float[np.ndarray, "165"] = self._joints_template.numpy().reshape(-1)
        self._rest_dirs: Float[np.ndarray, "K 165"] = np.ascontiguousarray(self._joint_dirs.flatten(0, 1).T.numpy())
        self.faces = np.asarray(model.faces, np.int64)
        selector = require("smplx.vertex_joint_selector", extra="body").VertexJointSelector(
            vertex_ids or require("smplx.vertex_ids", extra="body").vertex_ids["smplx"]
        )
        self._picks: Int[Tensor, "21"] = selector.extra_joints_idxs
        self._mark_corners: Int[Tensor, "51 3"] = torch.from_numpy(self.faces)[model.lmk_faces_idx]
        self._mark_weights: Float[Tensor, "51 3"] = model.lmk_bary_coords.detach()
        self.display_faces = coarse_faces(self.template.numpy().astype(np.float64), self.faces, _DISPLAY_FACES)

    @classmethod
    def load(cls, smplx_dir: str = "", gender: str = "neutral") -> SmplxBody:
        """The licensed body of a folder, or the free one.

        Args:
            smplx_dir: a folder with `SMPLX_<GENDER>.npz` or `smplx/SMPLX_<GENDER>.npz`, or that file; empty for the free body.
            gender: which file of the folder.

        Raises:
            FileError: if there is no such file, or it is no SMPL-X model.
            DependencyError: if the smplx library is not installed.
        """
        if not smplx_dir:
            return cls(FREE_BODY, "free")
        name = f"SMPLX_{gender.upper()}.npz"
        given = Path(smplx_dir).expanduser()
        places = [given] if given.suffix == ".npz" else [given / name, given / "smplx" / name]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise FileError(
                f"no SMPL-X model at {' or '.join(map(str, places))}: register at smpl-x.is.tue.mpg.de and put {name} there, "
                "or leave model.smplx_dir empty for the free body"
            )
        return cls(found, "smplx", gender)

    # With gradients, for training

    def to(self, device: torch.device | str) -> SmplxBody:
        """The same body for `pose_joints` and `pose_vertices` on a device; what takes records needs a body on the CPU."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and name != "_parents":  # those index a list: on a GPU each would wait for it
                setattr(moved, name, value.to(device))
        return moved

    def with_vertices(self, chosen: Int[np.ndarray, "W"]) -> SmplxBody:
        """The same body with some vertices alone, for `pose` where a loss looks at few; its faces and landmarks are those of the whole."""
        part, index = copy.copy(self), torch.as_tensor(chosen, device=self.template.device)
        part.template, part._shape_dirs, part._weights = (v[index] for v in (self.template, self._shape_dirs, self._weights))
        if self._pose_dirs is not None:
            columns = self._pose_dirs.transpose(0, 1).flatten(1)[:, : self.template.numel()].unflatten(1, (-1, 3))
            part._pose_dirs = in_blocks(columns[:, index].flatten(1))
        return part

    def pose_joints(
        self,
        rotations: Float[Tensor, "B 55 3 3"],
        betas: Float[Tensor, "B b"],
        expression: Float[Tensor, "B 10"],
        transl: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B 55 3"]:
        """Joints, metres; no vertex is touched."""
        posed, _ = self._skeleton(rotations, self._coefficients(betas, expression))
        return posed + transl[:, None]

    def pose_vertices(
        self,
        rotations: Float[Tensor, "B 55 3 3"],
        betas: Float[Tensor, "B b"],
        expression: Float[Tensor, "B 10"],
        transl: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B V 3"]:
        """Vertices, metres."""
        return self.pose(rotations, betas, expression, transl)[1]

    def pose(
        self,
        rotations: Float[Tensor, "B 55 3 3"],
        betas: Float[Tensor, "B b"],
        expression: Float[Tensor, "B 10"],
        transl: Float[Tensor, "B 3"],
    ) -> tuple[Float[Tensor, "B 55 3"], Float[Tensor, "B V 3"]]:
        """Joints and vertices, metres: shape, expression, pose blend shapes (where the file has any), then linear blend skinning."""
        coefficients = self._coefficients(betas, expression)
        shaped = self.template + self._lbs.blend_shapes(coefficients, self._shape_dirs)
        if self._pose_dirs is not None:
            feature = (rotations[:, 1:] - torch.eye(3, device=rotations.device)).flatten(1)
            moved = (feature @ self._pose_dirs).transpose(0, 1).flatten(1)  # (B, N W)
            shaped = shaped + moved[:, : self.template.numel()].unflatten(-1, (-1, 3))
        joints, transforms = self._skeleton(rotations, coefficients)
        # One product with all weights, coordinates before vertices: half the time of a small matrix per vertex on a CPU.
        flat = transforms[:, :, :3].permute(0, 2, 3, 1).flatten(0, 2)  # (12 B, 55)
        moved = (flat @ self._weights.mT).unflatten(0, (-1, 3, 4)).unbind(2)  # four of (B, 3, V)
        x, y, z = shaped[:, None].unbind(-1)  # each (B, 1, V)
        vertices = torch.addcmul(torch.addcmul(torch.addcmul(moved[3], moved[0], x), moved[1], y), moved[2], z).mT
        return joints + transl[:, None], vertices + transl[:, None]

    def landmarks(self, vertices: Float[Tensor, "B V 3"]) -> Float[Tensor, "B 72 3"]:
        """21 vertices (face, feet, finger tips), then 51 points within triangles of the face: what `skeleton.LANDMARKS` names, metres."""
        marks = (vertices[:, self._mark_corners] * self._mark_weights[..., None]).sum(2)  # (B, 51, 3)
        return torch.cat((vertices[:, self._picks], marks), 1)

    def _coefficients(self, betas: Float[Tensor, "B b"], expression: Float[Tensor, "B 10"]) -> Float[Tensor, "B K"]:
        """Betas and expression in the order of the shape directions."""
        missing = self._shape_dirs.shape[-1] - _EXPRESSIONS - betas.shape[-1]
        if missing < 0:
            raise InputError(
                f"the network gives {betas.shape[-1]} betas and this body model has {betas.shape[-1] + missing}: "
                "set smplx_dir to a file with all 300 shape directions"
            )
        return torch.cat((betas, betas.new_zeros(len(betas), missing), expression), -1)

    def _skeleton(
        self, rotations: Float[Tensor, "B 55 3 3"], coefficients: Float[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B 55 3"], Float[Tensor, "B 55 4 4"]]:
        """Posed joints, and each joint's transform from rest to pose."""
        rest = self._joints_template + torch.einsum("bk,jdk->bjd", coefficients, self._joint_dirs)
        posed, transforms = self._lbs.batch_rigid_transform(rotations, rest, self._parents, dtype=rest.dtype)
        return posed, transforms

    # On the records, for everybody else

    @torch.inference_mode()
    def joints(self, params: BodyParams) -> Float[np.ndarray, "*B 55 3"]:
        """The 55 joints of posed bodies, float32, metres."""
        lead = params.transl.shape[:-1]
        return self.pose_joints(*self._tensors(params)).numpy().reshape(*lead, 55, 3)

    @torch.inference_mode()
    def vertices(self, params: BodyParams) -> Float[np.ndarray, "*B V 3"]:
        """The vertices of posed bodies, float32, metres."""
        lead = params.transl.shape[:-1]
        return self.pose_vertices(*self._tensors(params)).numpy().reshape(*lead, len(self.template), 3)

    def rest_joints(
        self, betas: Float[np.ndarray, "*B 10"], expression: Float[np.ndarray, "*B 10"] | None = None
    ) -> Float[np.ndarray, "*B 55 3"]:
        """The joints at rest, J(betas, expression), float32, metres; joint 0 is what lies between `transl` and the pelvis."""
        rest = self._rest + betas.reshape(-1, 10).astype(np.float32) @ self._rest_dirs[:10]
        if expression is not None:
            rest += expression.reshape(-1, 10).astype(np.float32) @ self._rest_dirs[-10:]
        return np.asarray(rest.reshape(*betas.shape[:-1], 55, 3))

    def _tensors(
        self, params: BodyParams
    ) -> tuple[Float[Tensor, "B 55 3 3"], Float[Tensor, "B 10"], Float[Tensor, "B 10"], Float[Tensor, "B 3"]]:
        """Rotation matrices in the joints' order and the rest, with one leading axis."""
        count = params.transl.size // 3

        def flat(values: Float[np.ndarray, "..."], *shape: int) -> Float[Tensor, "..."]:
            return torch.from_numpy(np.array(values, np.float32)).reshape(count, *shape)

        single = (params.global_orient, params.jaw_pose, params.leye_pose, params.reye_pose)
        root, *face = (flat(values, 1, 3) for values in single)
        hands = (flat(params.left_hand_pose, 15, 3), flat(params.right_hand_pose, 15, 3))
        rotvecs = torch.cat([root, flat(params.body_pose, 21, 3), *face, *hands], dim=1)  # (B, 55, 3)
        rotations = self._lbs.batch_rodrigues(rotvecs.reshape(-1, 3)).reshape(count, 55, 3, 3)
        return rotations, flat(params.betas, 10), flat(params.expression, 10), flat(params.transl, 3)


def in_blocks(directions: Float[Tensor, "K C"], width: int = 256) -> Float[Tensor, "N K W"]:
    """Columns in blocks, the last one filled with zeros: as one matrix of 61 MB a product with few rows takes 1.4 times as long."""
    padded = torch.nn.functional.pad(directions, (0, -directions.shape[1] % width))
    blocks: Tensor = padded.unflatten(1, (-1, width)).transpose(0, 1).contiguous()
    return blocks
