"""How much of people cameras see, judged by the map of people that was drawn."""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8

from chromm_ros.synthetic.render.compiled import compiled


@compiled
def seen_shares(
    vertices: Float32[np.ndarray, "P N 3"],
    faces: Int32[np.ndarray, "M 3"],
    head: Bool[np.ndarray, "M"],
    cam_from_world: Float64[np.ndarray, "V 4 4"],
    intrinsics: Float64[np.ndarray, "V 3 3"],
    distortion: Float64[np.ndarray, "V 5"],
    person: UInt8[np.ndarray, "V H W"],
) -> Float32[np.ndarray, "2 V P"]:
    """Shares of the camera's side of bodies (0) and of heads (1) that the camera sees.

    A face counts with the angle that it fills as seen from the camera, and is seen where the pixel of its middle shows the person.

    Args:
        vertices: of P people in the world, metres.
        faces: of each, counter-clockwise from outside.
        head: which faces are of the head.
        cam_from_world: the cameras.
        intrinsics: of them.
        distortion: of them, `plumb_bob`.
        person: 0 or 1 + index of the person, as drawn.
    """
    views, people = len(intrinsics), len(vertices)
    height, width = person.shape[1], person.shape[2]
    result = np.zeros((2, views, people), np.float32)
    c = np.empty((3, 3))
    for v in range(views):
        move, k, lens = cam_from_world[v], intrinsics[v], distortion[v]
        for p in range(people):
            whole, whole_head, seen, seen_head = 1e-12, 1e-12, 0.0, 0.0
            for f in range(len(faces)):
                for i in range(3):
                    at = vertices[p, faces[f, i]]
                    for d in range(3):
                        c[i, d] = move[d, 0] * at[0] + move[d, 1] * at[1] + move[d, 2] * at[2] + move[d, 3]
                x, y, z = c[0, 0] + c[1, 0] + c[2, 0], c[0, 1] + c[1, 1] + c[2, 1], c[0, 2] + c[1, 2] + c[2, 2]
                away = np.sqrt(x * x + y * y + z * z) + 1e-6
                # Corner by (corner x corner): six times the volume between camera and face, negative where it looks at the camera.
                volume = (
                    c[0, 0] * (c[1, 1] * c[2, 2] - c[1, 2] * c[2, 1])
                    + c[0, 1] * (c[1, 2] * c[2, 0] - c[1, 0] * c[2, 2])
                    + c[0, 2] * (c[1, 0] * c[2, 1] - c[1, 1] * c[2, 0])
                )
                if volume >= 0.0:
                    continue
                angle = -volume / away**3
                whole += angle
                if head[f]:
                    whole_head += angle
                if z <= 0.0:
                    continue
                x, y = x / z, y / z
                r2 = x * x + y * y
                radial = 1.0 + r2 * (lens[0] + r2 * (lens[1] + r2 * lens[4]))
                bent_x = x * radial + 2.0 * lens[2] * x * y + lens[3] * (r2 + 2.0 * x * x)
                bent_y = y * radial + lens[2] * (r2 + 2.0 * y * y) + 2.0 * lens[3] * x * y
                column = int(np.floor(k[0, 0] * bent_x + k[0, 2]))
                row = int(np.floor(k[1, 1] * bent_y + k[1, 2]))
                if 0 <= column < width and 0 <= row < height and person[v, row, column] == p + 1:
                    seen += angle
                    if head[f]:
                        seen_head += angle
            result[0, v, p], result[1, v, p] = seen / whole, seen_head / whole_head
    return result
