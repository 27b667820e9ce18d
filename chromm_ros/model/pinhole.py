"""Pixels, rays and focal lengths in torch: the little geometry that the heads need.

Products are written as sums of products: autocast turns every matrix product into bfloat16, in which a pixel is worth eight.
"""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

FOCAL_LIMITS = (0.3, 4.0)
"""Shortest and longest focal length believed, in longer image sides (a view of 118 to 14 degrees)."""


NEAREST = 0.1
"""Smallest depth of what a camera sees, metres: nearer is inside it."""


def compose(first: Float[Tensor, "*B 3 3"], second: Float[Tensor, "*B 3 3"]) -> Float[Tensor, "*B 3 3"]:
    """Matrix product in full precision."""
    product: Tensor = (first[..., :, :, None] * second[..., None, :, :]).sum(-2)
    return product


def move_pixels(matrix: Float[Tensor, "*#B 3 3"], pixels: Float[Tensor, "*B 2"]) -> Float[Tensor, "*B 2"]:
    """Pixels after a resize and shift given as a 3x3 matrix."""
    moved: Tensor = (matrix[..., :2, :2] * pixels[..., None, :]).sum(-1) + matrix[..., :2, 2]
    return moved


def back_project(
    pixels: Float[Tensor, "*B 2"], depth: Float[Tensor, "*B"], intrinsics: Float[Tensor, "*B 3 3"]
) -> Float[Tensor, "*B 3"]:
    """Point at a depth along z behind a pixel."""
    homogeneous = torch.cat((pixels, torch.ones_like(pixels[..., :1])), -1)
    rays: Tensor = (torch.linalg.inv(intrinsics) * homogeneous[..., None, :]).sum(-1)
    return depth[..., None] * rays


def project(points: Float[Tensor, "*B 3"], intrinsics: Float[Tensor, "*#B 3 3"]) -> Float[Tensor, "*B 2"]:
    """Pixels of points in the camera; one that is not `NEAREST` in front of it is taken to be, which leaves it finite and far outside."""
    plane = points[..., :2] / points[..., 2:].clamp(min=NEAREST)
    return move_pixels(intrinsics, plane)


def inside(pixels: Float[Tensor, "*B 2"], size: Shaped[Tensor, "*#B 2"]) -> Bool[Tensor, "*B"]:
    """Whether pixels lie on an image of the given width and height."""
    return ((pixels >= 0) & (pixels < size)).all(-1)


def intrinsics_from_rays(
    rays: Float[Tensor, "F H W 3"], scene_from_image: Float[Tensor, "F 3 3"], image_size: Float[Tensor, "F 2"]
) -> Float[Tensor, "F 3 3"]:
    """Pinhole matrices of the original images that explain predicted rays best: square pixels, principal point at the centre.

    Every pixel away from the centre says one focal length, f = <p, r> / <r, r> with p its place relative to the centre (in original
    pixels, so that a resize that changed the aspect does no harm) and r its ray on the plane z = 1; the median of them is taken, which
    wild rays do not move. No principal point is fitted: it trades against the rotation of the camera and makes depth worse.
    `least_squares_pinhole` fits one, for images that were cropped.
    """
    height, width = rays.shape[1:3]
    v, u = torch.meshgrid(
        torch.arange(height, device=rays.device) + 0.5, torch.arange(width, device=rays.device) + 0.5, indexing="ij"
    )
    image_from_scene = torch.linalg.inv(scene_from_image)[:, None, None]  # (F, 1, 1, 3, 3)
    pixels = torch.stack((u, v), -1).expand(len(rays), -1, -1, -1)
    place = move_pixels(image_from_scene.expand(-1, height, width, -1, -1), pixels) - image_size[:, None, None] / 2
    plane = rays[..., :2] / rays[..., 2:].clamp(min=1e-3)
    focal = (place * plane).sum(-1) / (plane * plane).sum(-1).clamp(min=1e-6)  # (F, H, W)
    outer = place.norm(dim=-1) > 0.25 * image_size.norm(dim=-1)[:, None, None] / 2
    focal = torch.where(outer, focal, torch.nan).flatten(1).nanmedian(1).values
    longer = image_size.amax(-1)
    focal = focal.clamp(min=FOCAL_LIMITS[0] * longer, max=FOCAL_LIMITS[1] * longer)
    return pinhole(focal, image_size)


def least_squares_pinhole(rays: Float[Tensor, "F H W 3"], *, centred: bool) -> Float[Tensor, "F 3 3"]:
    """Pinhole matrices that explain rays best, in pixels of the map of rays: fx and fy of their own, no skew.

    A straight line per axis, u = fx x / z + cx, through all pixels, or through the centre of the map (yyfz/Pi3, pi3/utils/geometry.py,
    `recover_intrinsic_from_rays_d`; there the centre of the top-left pixel is (0, 0) and the principal point half a pixel less).
    """
    height, width = rays.shape[1:3]
    plane = (rays[..., :2] / (rays[..., 2:].abs() + 1e-10)).float()
    v, u = torch.meshgrid(
        torch.arange(height, device=rays.device) + 0.5, torch.arange(width, device=rays.device) + 0.5, indexing="ij"
    )
    place, centre = torch.stack((u, v), -1), plane.new_tensor((width / 2, height / 2))
    mean = plane.new_zeros(len(rays), 2) if centred else plane.mean((1, 2))
    spread = plane - mean[:, None, None]
    focal = (spread * (place - centre)).sum((1, 2)) / (spread * spread).sum((1, 2)).clamp(min=1e-12)  # (F, 2)
    matrix = torch.diag_embed(torch.cat((focal, torch.ones_like(focal[:, :1])), -1))
    matrix[:, :2, 2] = centre - focal * mean
    return matrix


def fit_intrinsics(
    rays: Float[Tensor, "F H W 3"], scene_from_image: Float[Tensor, "F 3 3"], image_size: Float[Tensor, "F 2"], fit: str
) -> Float[Tensor, "F 3 3"]:
    """Pinhole matrices of the original images by one of the ways that `ModelOptions.intrinsics_fit` names.

    What least squares say is bounded, for wild rays move it: focal lengths to `FOCAL_LIMITS`, the principal point to one image size
    beyond the image, where that of a crop may lie.
    """
    if fit == "robust":
        return intrinsics_from_rays(rays, scene_from_image, image_size)
    matrix = compose(torch.linalg.inv(scene_from_image), least_squares_pinhole(rays, centred=fit == "centred"))
    longer = image_size.amax(-1, keepdim=True)
    focal = matrix.diagonal(dim1=-2, dim2=-1)[:, :2].clamp(min=FOCAL_LIMITS[0] * longer, max=FOCAL_LIMITS[1] * longer)
    bounded = torch.diag_embed(torch.cat((focal, torch.ones_like(longer)), -1))
    bounded[:, :2, 2] = matrix[:, :2, 2].clamp(min=-image_size, max=2 * image_size)
    return bounded


def pinhole(focal: Float[Tensor, "F"], image_size: Float[Tensor, "F 2"]) -> Float[Tensor, "F 3 3"]:
    """Matrices with the principal point at the centre."""
    matrix = torch.zeros(len(focal), 3, 3, device=focal.device)
    matrix[:, 0, 0] = matrix[:, 1, 1] = focal
    matrix[:, :2, 2] = image_size / 2
    matrix[:, 2, 2] = 1
    return matrix


def sample_map(maps: Float[Tensor, "F h w C"], image: Int[Tensor, "P"], place: Float[Tensor, "P 2"]) -> Float[Tensor, "P C"]:
    """Bilinear value of maps at (x, y) in cells, cell (0, 0) being centred at (0.5, 0.5); beyond the border the border counts."""
    height, width = maps.shape[1:3]
    limit = torch.tensor((width - 1, height - 1), device=maps.device)
    at = (place - 0.5).clamp(min=0).minimum(limit.to(place.dtype))
    low = at.floor().long()
    high = (low + 1).minimum(limit)
    right, down = (at - low).unbind(-1)
    result = torch.zeros((), device=maps.device, dtype=maps.dtype)
    for x, x_weight in ((low[:, 0], 1 - right), (high[:, 0], right)):
        for y, y_weight in ((low[:, 1], 1 - down), (high[:, 1], down)):
            result = result + maps[image, y, x] * (x_weight * y_weight).to(maps.dtype)[:, None]
    return result


def median_depth(depth: Float[Tensor, "F H W"], image: Int[Tensor, "P"], pixels: Float[Tensor, "P 2"]) -> Float[Tensor, "P"]:
    """Median of the 3 x 3 depths around a pixel: one wild value at an edge does not decide."""
    height, width = depth.shape[1:]
    step = torch.arange(-1, 2, device=depth.device)
    column = (pixels[:, :1].floor().long() + step).clamp(0, width - 1)  # (P, 3)
    row = (pixels[:, 1:].floor().long() + step).clamp(0, height - 1)
    return depth[image[:, None, None], row[:, :, None], column[:, None, :]].flatten(1).median(1).values
