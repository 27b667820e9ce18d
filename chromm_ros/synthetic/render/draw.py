"""A z-buffer: what cameras see of triangles, with colour, depth and person for every pixel."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from chromm_ros.geometry import se3
from chromm_ros.synthetic.render.lights import Lights
from chromm_ros.synthetic.render.material import Materials, srgb
from chromm_ros.synthetic.render.mesh import Scene
from chromm_ros.synthetic.render.raster import projected, visible
from chromm_ros.synthetic.render.shade import developed, shaded, vertex_normals

_TABLE = np.round(255.0 * srgb(np.linspace(0.0, 1.0, 8192))).astype(np.uint8)
"""From linear light in [0, 1] to sRGB."""


@dataclass(frozen=True)
class Drawn:
    """What V cameras of one size see."""

    images: UInt8[np.ndarray, "V H W 3"]
    """sRGB."""
    depth: Float32[np.ndarray, "V H W"]
    """Metres along z at the centre of the pixel; 0 where nothing is."""
    person: UInt8[np.ndarray, "V H W"]
    """0 or 1 + index of the person at the centre of the pixel."""


def draw(
    scene: Scene,
    materials: Materials,
    lights: Lights,
    intrinsics: Float[np.ndarray, "V 3 3"],
    world_from_cam: Float[np.ndarray, "V 4 4"],
    width: int,
    height: int,
    supersample: int = 1,
) -> Drawn:
    """Draw a scene for V cameras (pinholes; OpenCV axes, the centre of the top-left pixel is (0.5, 0.5)).

    Args:
        scene: what there is, from `mesh.merge`.
        materials: table that its faces refer to.
        lights: what lights it.
        intrinsics: in pixels of the images.
        world_from_cam: where the cameras are.
        width: of all images, pixels.
        height: of all images, pixels.
        supersample: colours are the mean of so many samples squared in a pixel; depth and person are always those of its centre.
    """
    views, sample = len(intrinsics), np.diag([float(supersample), float(supersample), 1.0])
    drawn = Drawn(
        images=np.empty((views, height, width, 3), np.uint8),
        depth=np.empty((views, height, width), np.float32),
        person=np.empty((views, height, width), np.uint8),
    )
    people = scene.person > 0
    person = np.append(scene.person, np.uint8(0))  # the last one, -1, is nobody
    normals = vertex_normals(scene.vertices, scene.faces, scene.smooth)
    for v in range(views):
        pixel_from_world = intrinsics[v].astype(np.float64) @ se3.inverse(world_from_cam[v].astype(np.float64))[:3]
        points = projected(scene.vertices, pixel_from_world)
        nearest, drawn.depth[v] = visible(points, scene.faces, people, width, height)
        drawn.person[v] = person[nearest]
        if supersample > 1:
            points = projected(scene.vertices, sample @ pixel_from_world)
            nearest, _ = visible(points, scene.faces, people, supersample * width, supersample * height)
        image = shaded(
            nearest, points, world_from_cam[v, :3, 3].astype(np.float64), float(supersample * intrinsics[v, 0, 0]),
            scene.vertices, scene.rest, normals, scene.faces, scene.material, scene.smooth,
            materials.colors, materials.pattern, materials.pattern_from_rest, materials.look, materials.cut, materials.other,
            lights.ambient, lights.places, lights.colors, lights.background,
        )  # fmt: skip  # camera, scene, materials, lights
        drawn.images[v] = developed(image, supersample, _TABLE)
    return drawn
