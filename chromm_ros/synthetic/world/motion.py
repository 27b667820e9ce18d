"""How a person moves: walking, turning, standing, reaching, sitting, as a function of time, with feet that stay where they are put.

Who walks puts footprints along a path, one every half stride; a foot stands on its print, then swings over to the next. Who turns on the
spot steps likewise. The pelvis follows the path, legs follow by inverse kinematics, arms swing against the legs. Everything is a smooth
function of time, so any moment can be asked.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import CubicSpline

from chromm_ros.body.skeleton import JOINTS
from chromm_ros.geometry.rotation import matrix_from_rotvec, rotvec_from_matrix
from chromm_ros.synthetic.world.gestures import Gestures
from chromm_ros.synthetic.world.legs import reach

KINDS = ("walk", "turn", "stand", "reach", "sit")
SWING = 0.48
"""Share of a stride in which a foot is in the air."""
UPRIGHT = matrix_from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))
"""Body axes (x left, y up, z forward) to a world in which the person looks along minus y."""
HIPS, KNEES, ANKLES = np.array([1, 2]), np.array([4, 5]), np.array([7, 8])
SPINE, NECK, SHOULDERS, ELBOWS = [3, 6, 9], [12, 15], [16, 17], [18, 19]
SIDES = np.array([1.0, -1.0])
"""Left, right."""


@dataclass(frozen=True)
class Style:
    """How somebody moves, by number: ranges are those of healthy adults at ease, and a bit more."""

    speed: float
    """Of walking, m/s."""
    stride: float
    """Length of two steps at that speed, metres."""
    lift: float
    """How high a foot swings, metres."""
    width: float
    """Between the feet, as a share of the hips' width."""
    arms: float
    """How far arms swing, radians."""
    spread: float
    """How far arms hang from the body: turn of the shoulders from the T pose, radians."""
    elbows: float
    """Bend of the elbows, radians."""
    lean: float
    """Of the trunk to the front, radians."""
    restless: float
    """How much trunk and head turn, radians."""
    carries: bool
    """Whether arms hold something in walking."""
    phases: Float64[np.ndarray, "16"]
    """Of the slow movements, radians."""
    gestures: Gestures
    """What is done in standing or sitting."""

    @classmethod
    def numbered(cls, number: int) -> "Style":
        """The style of that number; the same for everybody."""
        rng = np.random.default_rng([number, 72])
        u, speed = rng.uniform, rng.uniform(0.5, 1.5)
        return cls(
            speed=speed, stride=0.55 + 0.5 * speed + u(-0.1, 0.1), lift=u(0.05, 0.11), width=u(0.6, 1.2), arms=u(0.1, 0.7),
            spread=u(1.05, 1.28), elbows=u(0.1, 0.9), lean=u(-0.03, 0.15), restless=u(0.05, 0.35), carries=bool(u() < 0.25), phases=u(0.0, 2.0 * np.pi, 16),
            gestures=Gestures.drawn(rng),
        )  # fmt: skip  # one line reads as a list

    def slowed(self, quickest: float, curvature: float) -> "Style":
        """The same with steps that suit a way of some curvature (1/m), and no more acceleration to the side than `quickest` (m/s^2)."""
        speed = min(self.speed, np.sqrt(quickest / max(curvature, 1e-3)))
        stride = min(self.stride * (speed / self.speed) ** 0.6, max(1.6 / max(curvature, 1e-3), 0.5))
        return replace(self, speed=min(speed, 1.15 * stride), stride=stride)


@dataclass(frozen=True)
class Path:
    """A closed smooth way over the floor, or one place where its length is 0."""

    curve: CubicSpline | None
    """By arc length, metres."""
    length: float
    """Of a lap."""
    place: Float64[np.ndarray, "2"]
    """Where there is no way to go."""
    heading: float
    """Whither somebody looks there, radians from x."""
    turn: float = 0.0
    """How far somebody turns there to either side, radians."""

    @classmethod
    def spot(cls, place: Float64[np.ndarray, "2"], heading: float, turn: float = 0.0) -> "Path":
        """One place."""
        return cls(None, 0.0, place, heading, turn)

    @classmethod
    def through(cls, points: Float64[np.ndarray, "K 2"]) -> "Path":
        """A closed way through points."""
        closed = np.concatenate([points, points[:1]])
        knots = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=-1))])
        raw = CubicSpline(knots, closed, bc_type="periodic")
        fine = np.linspace(0.0, knots[-1], 40 * len(points))
        ways = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(raw(fine), axis=0), axis=-1))])
        places = raw(fine)
        places[-1] = places[0]
        return cls(CubicSpline(ways, places, bc_type="periodic"), float(ways[-1]), points[0], 0.0)

    @cached_property
    def curvature(self) -> float:
        """Where it is greatest, 1/m."""
        if self.curve is None:
            return 0.0
        way = self.curve.x
        first, second = self.curve(way, 1), self.curve(way, 2)
        return float(np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).max())

    def at(self, way: Float64[np.ndarray, "*B"]) -> tuple[Float64[np.ndarray, "*B 2"], Float64[np.ndarray, "*B"]]:
        """Place and heading (radians from x) after so many metres."""
        if self.curve is None:
            return np.broadcast_to(self.place, (*way.shape, 2)), np.asarray(self.heading + self.turn * np.sin(0.8 * way))
        ahead = self.curve(way % self.length, 1)
        return self.curve(way % self.length), np.asarray(np.arctan2(ahead[..., 1], ahead[..., 0]))


@dataclass(frozen=True)
class Walker:
    """One person's motion."""

    kind: str
    """One of `KINDS`."""
    style: Style
    """How."""
    path: Path
    """Where; a spot for all who do not walk."""
    rest: Float64[np.ndarray, "55 3"]
    """Joints at rest, metres."""
    sole: float
    """Height of the ankle joints above the floor when a foot is flat, metres."""
    seat: float = 0.45
    """Height of the seat of who sits, metres."""

    @property
    def steps(self) -> bool:
        """Whether feet leave the floor."""
        return self.kind in {"walk", "turn"}

    def way(self, t: Float64[np.ndarray, "*B"]) -> Float64[np.ndarray, "*B"]:
        """Metres done, or that would have been done while turning on the spot."""
        return np.asarray(self.style.speed * t + self.style.phases[0] if self.steps else np.zeros_like(t))

    def pose(self, t: float) -> tuple[Float64[np.ndarray, "55 3"], Float64[np.ndarray, "3"]]:
        """Axis-angle of the joints (0: world from body), radians, and the place of the pelvis, metres."""
        turns = np.zeros((JOINTS, 3))
        way = self.way(np.array(t))
        place, heading = self.path.at(way)
        stride = float(way) / self.style.stride  # strides done
        arms, (lean, twist, low) = self.style.gestures.at(t)
        if self.kind != "reach":
            lean, twist, low = 0.3 * max(lean, 0.0), 0.5 * twist, 0.0
        root = self._trunk(turns, t, float(heading), stride, lean, twist)
        pelvis = np.array([*place, self._height(stride, root) - low])
        if not self.steps:
            ahead = np.array([np.cos(heading), np.sin(heading)])
            pelvis[:2] += 0.015 * np.sin(np.array([0.9, 0.7]) * t + self.style.phases[1:3]) - 0.5 * low * ahead
        ankle, foot = self._feet(stride, float(heading), place)
        thigh, shin = self.rest[KNEES] - self.rest[HIPS], self.rest[ANKLES] - self.rest[KNEES]
        joint = pelvis + (self.rest[HIPS] - self.rest[0]) @ root.T
        chain = reach(np.broadcast_to(root, (2, 3, 3)), joint, ankle, foot, thigh, shin)
        self._arms(turns, t, stride, arms)
        below = rotvec_from_matrix(np.stack([*chain, np.stack([root, root])]))  # 4 2 3
        turns[HIPS], turns[KNEES], turns[ANKLES], turns[0] = below[0], below[1], below[2], below[3, 0]
        return turns, pelvis

    @cached_property
    def _leg(self) -> float:
        """Length of a leg."""
        knee, ankle = self.rest[KNEES[0]], self.rest[ANKLES[0]]
        return float(np.linalg.norm(knee - self.rest[HIPS[0]]) + np.linalg.norm(ankle - knee))

    def _height(self, stride: float, root: Float64[np.ndarray, "3 3"]) -> float:
        """Of the pelvis: highest where one leg stands below it, lowest where both are farthest apart."""
        hips = float((root @ (self.rest[HIPS[0]] - self.rest[0]))[2])
        if self.kind == "sit":
            return self.seat + 0.10
        stretched = 0.98 * self._leg
        if self.kind != "walk":
            return self.sole + stretched - hips - (0.03 if self.kind == "turn" else 0.01)
        apart = (1.0 - SWING) * self.style.stride / 2.0
        low = np.sqrt(stretched**2 - apart**2 - 0.05**2)
        middle = 0.5 * (1.0 - np.cos(4.0 * np.pi * (stride - 0.5 * (1.0 - SWING) + 0.25)))
        return float(self.sole + low + 0.5 * (stretched - low) * middle - hips)

    def _feet(
        self, stride: float, heading: float, place: Float64[np.ndarray, "2"]
    ) -> tuple[Float64[np.ndarray, "2 3"], Float64[np.ndarray, "2 3 3"]]:
        """Where ankles are and how feet are turned, left and right."""
        aside = SIDES * max(self.style.width * abs(np.diff(self.rest[HIPS, 0])[0]) / 2.0, 0.07)
        if not self.steps:
            c, s = np.cos(heading), np.sin(heading)
            at = place + (0.40 if self.kind == "sit" else 0.0) * np.array([c, s]) + 1.3 * aside[:, None] * np.array([-s, c])
            return np.concatenate([at, [[self.sole], [self.sole]]], axis=1), _facing(heading + 0.15 * SIDES)
        # Counted in a foot's own strides: a whole number is when it leaves the floor.
        own = stride + np.array([0.0, 0.5])
        count = np.floor(own)
        swing = np.clip((own - count) / SWING, 0.0, 1.0)
        share = swing**3 * (10.0 - 15.0 * swing + 6.0 * swing**2)  # no jerk at either end
        places, turned = self._prints(count + np.array([[0.0], [1.0]]), aside)
        turn = turned[0] + share * ((turned[1] - turned[0] + np.pi) % (2.0 * np.pi) - np.pi)
        lift = self.style.lift if self.kind == "walk" else 0.06
        up = lift * 16.0 * (swing * (1.0 - swing)) ** 2
        pitch = 4.5 * lift * np.sin(2.0 * np.pi * swing) * np.sin(np.pi * swing)  # toe down, then up
        ankle = np.concatenate([places[0] + share[:, None] * (places[1] - places[0]), (self.sole + up)[:, None]], axis=1)
        return ankle, _facing(turn) @ matrix_from_rotvec(np.stack([pitch, 0.0 * pitch, 0.0 * pitch], axis=-1))

    def _prints(
        self, count: Float64[np.ndarray, "*B 2"], aside: Float64[np.ndarray, "2"]
    ) -> tuple[Float64[np.ndarray, "*B 2 2"], Float64[np.ndarray, "*B 2"]]:
        """Where feet stand between their swings number `count - 1` and `count`: below the body in the middle of that time."""
        middle = count - 0.5 * (1.0 - SWING) - np.array([0.0, 0.5])
        place, heading = self.path.at(middle * self.style.stride)
        return place + aside[:, None] * np.stack([-np.sin(heading), np.cos(heading)], axis=-1), heading

    def _trunk(
        self, turns: Float64[np.ndarray, "55 3"], t: float, heading: float, stride: float, lean: float, twist: float
    ) -> Float64[np.ndarray, "3 3"]:
        """Spine, neck and head; gives world from pelvis."""
        style, walking = self.style, self.kind == "walk"
        slow = np.sin(np.array([0.5, 0.37, 0.61, 0.43]) * t + style.phases[3:7])
        step = 2.0 * np.pi * stride
        yaw = 0.06 * np.sin(step) if walking else 0.4 * style.restless * slow[0]
        lean += style.lean + 0.1 * (1.0 + slow[1]) * style.restless + (0.1 if self.kind == "sit" else 0.0)
        twist = -0.10 * np.sin(step) if walking else twist
        turns[SPINE] = [lean / 3.0, twist / 3.0, 0.05 * slow[2]]
        turns[NECK] = style.restless * np.array([0.3 * slow[2], slow[3], 0.15 * slow[0]])
        return np.asarray(_facing(heading) @ matrix_from_rotvec(np.array([0.0, yaw, 0.0])))

    def _arms(self, turns: Float64[np.ndarray, "55 3"], t: float, stride: float, doing: Float64[np.ndarray, "2 4"]) -> None:
        """Shoulders and elbows from lift, spread, roll and bend: `doing` of who stands still and has nothing else to do."""
        style, zero = self.style, np.zeros(2)
        if self.kind == "walk":
            phase = np.sin(2.0 * np.pi * stride + np.array([0.0, np.pi]))
            held = style.carries * np.array([0.3, 0.0, 0.3, 1.1])
            lift, roll = (1.0 - 0.8 * style.carries) * style.arms * phase - held[0], zero + held[2]
            spread, bend = zero + style.spread, style.elbows * (0.8 + 0.2 * phase) * (1.0 - 0.5 * style.carries) + held[3]
        elif self.kind in {"turn", "stand"}:
            idle = np.stack(
                [0.06 * np.sin(0.8 * t + style.phases[9:11]), zero + style.spread, zero, zero + style.elbows], axis=-1
            )
            lift, spread, roll, bend = (0.6 * idle + 0.4 * doing).T
        else:
            lift, spread, roll, bend = doing.T
        if self.kind == "sit":
            lift = 0.7 * lift - 0.6  # not into the thighs
        down = matrix_from_rotvec(np.stack([zero, zero, -SIDES * spread], axis=-1))
        about_x = matrix_from_rotvec(np.array([[lift, zero, zero], [roll, zero, zero]]).swapaxes(1, 2))
        turns[SHOULDERS] = rotvec_from_matrix(about_x[0] @ down @ about_x[1])
        turns[ELBOWS] = np.stack([zero, -SIDES * bend, zero], axis=-1)


def _facing(heading: float | Float64[np.ndarray, "*B"]) -> Float64[np.ndarray, "*B 3 3"]:
    """World from body of somebody upright who looks along a heading (radians from x)."""
    angle = np.asarray(heading, np.float64)[..., None] * [0.0, 0.0, 1.0] + [0.0, 0.0, np.pi / 2]
    return np.asarray(matrix_from_rotvec(angle) @ UPRIGHT)
