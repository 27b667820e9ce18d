"""How large the network is, by name, and what a user sets about it."""

from dataclasses import dataclass, replace

from chromm_ros.errors import ConfigError
from chromm_ros.settings import Settings, setting

PATCH = 14
"""Side of a patch in pixels: DINOv2's, in both branches."""


@dataclass(frozen=True)
class SceneConfig:
    """Sizes of Pi3X (yyfz/Pi3, pi3/models/pi3x.py); the defaults are the published network's."""

    dim: int = 1024
    """Width of encoder, decoder and token decoders."""
    heads: int = 16
    """Attention heads there."""
    encoder_depth: int = 24
    """Blocks of the image encoder, and of the depth encoder."""
    pos_grid: int = 37
    """Side of the learned grid of positions."""
    decoder_depth: int = 36
    """Blocks of the decoder; even ones look within a frame, odd ones across frames."""
    inject_after: tuple[int, ...] = (1, 9, 17, 25, 33)
    """Decoder blocks after which known poses are injected."""
    head_depth: int = 5
    """Blocks of each token decoder."""
    camera_dim: int = 512
    """Width of the camera head."""
    metric_dim: int = 512
    """Width of the metric decoder."""
    metric_heads: int = 8
    """Attention heads there."""
    metric_out: int = 512
    """Width of its output."""
    up_channels: tuple[int, int, int] = (256, 128, 64)
    """Channels of the three upsampling stages of a ConvHead."""
    last_channels: int = 32
    """Channels before its outputs."""
    pixels: int = 255000
    """Most pixels of an input image."""
    conditioned: bool = True
    """Whether the branch has the modules that take known rays, poses and depths."""


@dataclass(frozen=True)
class HumanConfig:
    """Sizes of Multi-HMR (naver/multi-hmr, model.py); the defaults are those of multiHMR_896_L."""

    dim: int = 1024
    """Width of the backbone."""
    heads: int = 16
    """Attention heads there."""
    depth: int = 24
    """Blocks of the backbone."""
    pos_grid: int = 37
    """Side of the learned grid of positions."""
    image_size: int = 896
    """Side of the square input in pixels."""
    stem: str = "patch"
    """`patch`: one convolution makes the tokens, as published; `conv`: three do, which learns faster from scratch."""
    bands: int = 16
    """Frequencies of the camera embedding."""
    max_resolution: int = 64
    """Twice the highest of them."""
    people_dim: int = 1024
    """Width of the head that perceives people (HPH)."""
    people_mlp: int = 1024
    """Width of its MLPs."""
    people_heads: int = 8
    """Attention heads there."""
    people_head_dim: int = 32
    """Channels of one of them."""
    people_depth: int = 2
    """Its layers."""
    betas: int = 10
    """Shape coefficients, 10 or 11."""
    apart: float = 0.0
    """Distance in patches within which only the strongest head stays, by the places within their patches; 0: a neighbourhood of whole
    patches (`ModelOptions.nms`) instead, as upstream. On a coarse grid that would cost people who stand side by side their heads."""


@dataclass(frozen=True)
class AnnyConfig:
    """Sizes of Multi-HMR's Anny variant (naver/multi-hmr, multi_hmr_anny/); the defaults are those of multiHMR_672_L_anny."""

    dim: int = 1024
    """Width of the backbone."""
    heads: int = 16
    """Attention heads there."""
    depth: int = 24
    """Blocks of the backbone."""
    pos_grid: int = 37
    """Side of the learned grid of positions."""
    image_size: int = 672
    """Side of the square input in pixels."""
    people_dim: int = 512
    """Width of the decoder of people; a multiple of 4."""
    people_mlp: int = 2048
    """Width of its MLPs."""
    people_heads: int = 16
    """Attention heads there."""
    people_head_dim: int = 32
    """Channels of one of them."""
    people_depth: int = 8
    """Its layers."""


@dataclass(frozen=True)
class PeopleConfig:
    """Sizes of CHROMM's own heads. The paper does not give them (METHOD: not found): they follow Multi-HMR's HPH, which does the same task."""

    dim: int = 1024
    """Width of the fused human token and of the SMPL decoder."""
    mlp: int = 1024
    """Width of the MLPs."""
    heads: int = 8
    """Attention heads of the SMPL decoder."""
    head_dim: int = 32
    """Channels of one of them."""
    depth: int = 2
    """Its layers."""


@dataclass(frozen=True)
class NetworkConfig:
    """The whole network."""

    scene: SceneConfig
    """Pi3X."""
    human: HumanConfig
    """Multi-HMR."""
    people: PeopleConfig
    """CHROMM's heads."""


PI3X = SceneConfig()
MULTIHMR = {
    "896_L": HumanConfig(),
    "672_L": HumanConfig(image_size=672),
    "672_B": HumanConfig(image_size=672, dim=768, heads=12, depth=12),
    "672_S": HumanConfig(image_size=672, dim=384, heads=6, depth=12),
}
"""Sizes of the published files, by the names that their files carry."""

SIZES = {
    "nano": NetworkConfig(
        SceneConfig(
            dim=128, heads=4, encoder_depth=3, pos_grid=16, decoder_depth=6, inject_after=(1, 3), head_depth=1,
            camera_dim=64, metric_dim=64, metric_heads=2, metric_out=64, up_channels=(32, 16, 8), last_channels=8, pixels=21168,
        ),
        HumanConfig(
            dim=160, heads=5, depth=5, pos_grid=16, image_size=196, stem="conv", apart=0.7,
            people_dim=192, people_mlp=384, people_heads=4, people_head_dim=48,
        ),
        PeopleConfig(dim=192, mlp=384, heads=4, head_dim=48),
    ),
    "tiny": NetworkConfig(
        SceneConfig(
            dim=48, heads=3, encoder_depth=2, pos_grid=5, decoder_depth=12, inject_after=(1, 9), head_depth=2,
            camera_dim=32, metric_dim=32, metric_heads=2, metric_out=24, up_channels=(32, 32, 16), last_channels=16, pixels=2352,
        ),
        HumanConfig(
            dim=48, heads=3, depth=2, pos_grid=5, image_size=112,
            people_dim=64, people_mlp=80, people_heads=3, people_head_dim=16,
        ),
        PeopleConfig(dim=64, mlp=80, heads=3, head_dim=16),
    ),
    "full": NetworkConfig(PI3X, MULTIHMR["896_L"], PeopleConfig()),
}  # fmt: skip  # one line per part reads as a table
"""`nano` runs on two CPU cores, `tiny` is for tests of parity, `full` is the published size."""


@dataclass(frozen=True)
class ModelOptions(Settings):
    """What a user sets about the network."""

    mode: str = setting(
        "chromm",
        "chromm: the whole network; compose: the published Pi3X and Multi-HMR side by side, without CHROMM's own heads",
        choices=("chromm", "compose"),
    )
    size: str = setting(
        "auto", "size of the network; auto: that of its weights, nano where they are untrained", choices=("auto", *SIZES)
    )
    checkpoint: str = setting(
        "",
        "trained weights of the whole network, a file or a name that `weights list` shows; untrained: drawn from the seed; "
        "empty: the `nano` that ships, or untrained where another size, mode compose or weights of one branch are asked for",
    )
    scene_weights: str = setting("", "weights of the scene branch alone, an imported Pi3X; empty: untrained")
    human_weights: str = setting("", "weights of the human branch alone, an imported Multi-HMR; empty: untrained")
    seed: int = setting(0, "seed of the untrained weights", at_least=0)
    device: str = setting("auto", "auto (a GPU where there is one), cpu or cuda:N")
    precision: str = setting(
        "auto", "auto (bfloat16 on a GPU, float32 on a CPU), float32 or bfloat16", choices=("auto", "float32", "bfloat16")
    )
    heads_precision: str = setting(
        "float32",
        "precision of the scene's convolutional and camera heads, float32 as upstream or bfloat16; `bench model` tells the error",
        choices=("float32", "bfloat16"),
    )
    compile: bool = setting(default=False, doc="compile the blocks with torch.compile; the first windows take minutes")
    scene_pixels: int = setting(0, "most pixels of an image of the scene branch; 0: the size's own", at_least=0)
    human_size: int = setting(
        0, "side of the square image of the human branch, a multiple of 14 [pixels]; 0: the size's own", at_least=0
    )
    exact_resize: bool = setting(
        default=False, doc="resize with Pillow, as upstream does to the last bit, instead of torch (up to ten times as fast)"
    )
    intrinsics_fit: str = setting(
        "robust",
        "intrinsics of uncalibrated images from the network's rays, robust: one focal length, the principal point at the centre; "
        "centred: fx and fy; free: and the principal point, for cropped images",
        choices=("robust", "centred", "free"),
    )
    score_min: float = setting(
        0.3,
        "lowest score of a head that counts; where all others look and see nobody (`support`), 0.3 asks for 0.69 in the own image",
        at_least=0.0,
        at_most=1.0,
    )
    support: float = setting(
        0.5,
        "what the moments within 0.25 s, and other cameras whose poses and intrinsics are known, each count in that score beside 1 for "
        "the own image; 0: every image alone, as in the published networks",
        at_least=0.0,
        at_most=10.0,
    )
    nms: int = setting(
        3,
        "side of the neighbourhood in which only the strongest head stays: odd, 2 or 4 [patches]; nano goes by distance instead",
        at_least=1,
        at_most=9,
    )
    max_people: int = setting(16, "most people of one image, the strongest stay", at_least=1)
    cache_features: bool = setting(default=True, doc="keep the encoders' features of a frame while windows overlap")
    smplx_dir: str = setting("", "folder of the licensed SMPL-X files; empty: the free body")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nms not in {2, 4} and self.nms % 2 == 0:
            raise ConfigError(f"nms is {self.nms}, expected an odd number, 2 or 4")
        if self.human_size % PATCH:
            raise ConfigError(f"human_size is {self.human_size}, expected a multiple of {PATCH}")
        if 0 < self.human_size < 8 * PATCH:
            raise ConfigError(f"human_size is {self.human_size}, expected 0 or at least {8 * PATCH}")
        if 0 < self.scene_pixels < PATCH * PATCH:
            raise ConfigError(f"scene_pixels is {self.scene_pixels}, expected 0 or at least {PATCH * PATCH}, one patch")

    def network(self) -> NetworkConfig:
        """The sizes that these options name; what weights say of themselves is not asked here."""
        base = SIZES["nano" if self.size == "auto" else self.size]
        scene = replace(base.scene, pixels=self.scene_pixels or base.scene.pixels)
        human = replace(base.human, image_size=self.human_size or base.human.image_size)
        return replace(base, scene=scene, human=human)
