"""How a person moves: walking, standing, reaching, sitting, as a function of time, with feet that stay where they are put.

Walking puts footprints along a path, one every half stride; a foot stands on its print, then swings over to the next. The pelvis follows
the path, legs follow by inverse kinematics, arms swing against the legs. Everything is a smooth function of time, so any moment can be asked.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import CubicSpline

from chromm_ros.body.skeleton import JOINTS
from chromm_ros.geometry.rotation import matrix_from_rotvec
from chromm_ros.synthetic.world.legs import reach

KINDS = ("walk", "stand", "reach", "sit")
SWING = 0.42
"""Share of a stride in which a foot is in the air."""
UPRIGHT = matrix_from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))
"""Body axes (x left, y up, z forward) to a world in which the person looks along minus y."""
LEFT_HIP, RIGHT_HIP = 1, 2


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
    phases: Float64[np.ndarray, "16"]
    """Of the slow movements, radians."""

    @classmethod
    def numbered(cls, number: int) -> "Style":
        """The style of that number; the same for everybody."""
        u = np.random.default_rng([number, 72]).uniform
        speed = u(0.5, 1.5)
        return cls(
            speed=speed, stride=0.55 + 0.5 * speed + u(-0.1, 0.1), lift=u(0.06, 0.14), width=u(0.6, 1.2), arms=u(0.1, 0.7),
            spread=u(1.15, 1.4), elbows=u(0.1, 0.9), lean=u(-0.03, 0.15), restless=u(0.05, 0.35), phases=u(0.0, 2.0 * np.pi, 16),
        )  # fmt: skip  # one line reads as a list


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

    @classmethod
    def spot(cls, place: Float64[np.ndarray, "2"], heading: float) -> "Path":
        """One place."""
        return cls(None, 0.0, place, heading)

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

    def at(self, way: Float64[np.ndarray, "*B"]) -> tuple[Float64[np.ndarray, "*B 2"], Float64[np.ndarray, "*B"]]:
        """Place and heading (radians from x) after so many metres."""
        if self.curve is None:
            return np.broadcast_to(self.place, (*way.shape, 2)), np.full(way.shape, self.heading)
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

    def pose(self, t: float) -> tuple[Float64[np.ndarray, "55 3 3"], Float64[np.ndarray, "3"]]:
        """Rotations of the joints (0: world from body) and the place of the pelvis, metres."""
        turns = np.broadcast_to(np.eye(3), (JOINTS, 3, 3)).copy()
        way = self.style.speed * t + self.style.phases[0] if self.kind == "walk" else 0.0
        place, heading = self.path.at(np.array(way))
        stride = way / self.style.stride  # strides done
        root = self._trunk(turns, t, float(heading), stride)
        pelvis = np.array([*place, self._height(stride, root)])
        if self.kind != "walk":
            sway = 0.015 * np.sin(np.array([0.9, 0.7]) * t + self.style.phases[1:3])
            pelvis[:2] += sway
        for side, hip in ((1, LEFT_HIP), (-1, RIGHT_HIP)):
            ankle, foot = self._foot(side, stride, float(heading), place)
            joint = pelvis + root @ (self.rest[hip] - self.rest[0])
            chain = reach(root, joint, ankle, foot, self.rest[hip + 3] - self.rest[hip], self.rest[hip + 6] - self.rest[hip + 3])
            for part, turn in zip((hip, hip + 3, hip + 6), chain, strict=True):
                turns[part] = turn
        self._arms(turns, t, stride)
        turns[0] = root
        return turns, pelvis

    @cached_property
    def _leg(self) -> float:
        """Length of a leg."""
        knee, ankle = self.rest[LEFT_HIP + 3], self.rest[LEFT_HIP + 6]
        return float(np.linalg.norm(knee - self.rest[LEFT_HIP]) + np.linalg.norm(ankle - knee))

    def _height(self, stride: float, root: Float64[np.ndarray, "3 3"]) -> float:
        """Of the pelvis: highest where one leg stands below it, lowest where both are farthest apart."""
        hips = float((root @ (self.rest[LEFT_HIP] - self.rest[0]))[2])
        if self.kind == "sit":
            return self.seat + 0.10
        stretched = 0.985 * self._leg
        if self.kind != "walk":
            return self.sole + stretched - hips - 0.01
        apart = (1.0 - SWING) * self.style.stride / 2.0
        low = np.sqrt(stretched**2 - apart**2)
        middle = 0.5 * (1.0 - np.cos(4.0 * np.pi * (stride - 0.5 * (1.0 - SWING) + 0.25)))
        return float(self.sole + low + 0.5 * (stretched - low) * middle - hips)

    def _foot(
        self, side: int, stride: float, heading: float, place: Float64[np.ndarray, "2"]
    ) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3 3"]]:
        """Where an ankle is and how its foot is turned; side 1 is left."""
        aside = side * max(self.style.width * abs(self.rest[LEFT_HIP, 0] - self.rest[RIGHT_HIP, 0]) / 2.0, 0.07)
        if self.kind != "walk":
            ahead = 0.40 if self.kind == "sit" else 0.0
            c, s = np.cos(heading), np.sin(heading)
            at = place + ahead * np.array([c, s]) + 1.3 * aside * np.array([-s, c])
            return np.array([*at, self.sole]), _facing(heading + 0.15 * side)
        # Counted in this foot's own strides: a whole number is when it leaves the floor.
        own = stride + (0.5 if side < 0 else 0.0)
        count, part = np.floor(own), own - np.floor(own)
        swing = np.clip(part / SWING, 0.0, 1.0)
        eased = swing**3 * (10.0 - 15.0 * swing + 6.0 * swing**2)  # no jerk at either end
        (old, old_turn), (new, new_turn) = self._print(side, count, aside), self._print(side, count + 1.0, aside)
        turn = old_turn + eased * ((new_turn - old_turn + np.pi) % (2.0 * np.pi) - np.pi)
        up = self.style.lift * 64.0 * (swing * (1.0 - swing)) ** 3
        pitch = 0.6 * np.sin(2.0 * np.pi * swing) * np.sin(np.pi * swing)  # the toe points down, then up
        return np.array([*(old + eased * (new - old)), self.sole + up]), _facing(turn) @ matrix_from_rotvec(
            np.array([pitch, 0.0, 0.0])
        )

    def _print(self, side: int, count: float, aside: float) -> tuple[Float64[np.ndarray, "2"], float]:
        """Where a foot stands between its swings number `count - 1` and `count`: below the body in the middle of that time."""
        middle = count - 0.5 * (1.0 - SWING) - (0.5 if side < 0 else 0.0)
        place, heading = self.path.at(np.array(middle * self.style.stride))
        return place + aside * np.array([-np.sin(heading), np.cos(heading)]), float(heading)

    def _trunk(self, turns: Float64[np.ndarray, "55 3 3"], t: float, heading: float, stride: float) -> Float64[np.ndarray, "3 3"]:
        """Spine, neck and head; gives world from pelvis."""
        style, walking = self.style, self.kind == "walk"
        slow = np.sin(np.array([0.5, 0.37, 0.61, 0.43]) * t + style.phases[3:7])
        step = 2.0 * np.pi * stride
        yaw = 0.06 * np.sin(step) if walking else 0.4 * style.restless * slow[0]
        lean = 0.25 * style.restless * abs(slow[1]) + style.lean + (0.1 if self.kind == "sit" else 0.0)
        twist = -0.10 * np.sin(step) if walking else 0.5 * style.restless * slow[1]
        for spine in (3, 6, 9):
            turns[spine] = matrix_from_rotvec(np.array([lean / 3.0, twist / 3.0, 0.05 * slow[2]]))
        for part in (12, 15):
            turns[part] = matrix_from_rotvec(style.restless * np.array([0.3 * slow[2], 1.0 * slow[3], 0.15 * slow[0]]))
        return _facing(heading) @ matrix_from_rotvec(np.array([0.0, yaw, 0.0]))

    def _arms(self, turns: Float64[np.ndarray, "55 3 3"], t: float, stride: float) -> None:
        """Shoulders and elbows; who reaches lifts one arm after the other."""
        style, phases = self.style, self.style.phases
        for side, shoulder in ((1, 16), (-1, 17)):
            phase = 2.0 * np.pi * stride + (0.0 if side > 0 else np.pi)
            if self.kind == "walk":
                lift, bend = style.arms * np.sin(phase), style.elbows * (0.8 + 0.2 * np.sin(phase))
            elif self.kind == "sit":
                lift, bend = -0.5 - 0.1 * np.sin(0.5 * t + phases[8]), 0.7 + 0.6 * style.elbows
            else:
                lift, bend = 0.06 * np.sin(0.8 * t + phases[9]), style.elbows
            if self.kind == "reach":
                raised = np.clip(np.sin(1.1 * t + phases[10] + (0.0 if side > 0 else 2.0)), 0.0, 1.0) ** 2
                lift, bend = lift - (1.2 + 0.8 * np.sin(phases[11] + side)) * raised, bend * (1.0 - 0.7 * raised)
            down = matrix_from_rotvec(np.array([0.0, 0.0, -side * style.spread]))
            turns[shoulder] = matrix_from_rotvec(np.array([lift, 0.0, 0.0])) @ down
            turns[shoulder + 2] = matrix_from_rotvec(np.array([0.0, -side * bend, 0.0]))


def _facing(heading: float) -> Float64[np.ndarray, "3 3"]:
    """World from body of somebody upright who looks along a heading (radians from x)."""
    return np.asarray(matrix_from_rotvec(np.array([0.0, 0.0, heading + np.pi / 2])) @ UPRIGHT)
