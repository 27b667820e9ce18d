"""One colour per person, the same in rviz2 and in every picture."""

import colorsys

_GOLDEN = 0.6180339887498949
"""Steps of the golden ratio around the circle of hues never come close to an earlier one soon."""


def color_of(track_id: int) -> tuple[int, int, int]:
    """RGB in 0..255 of a person, well apart from the persons with neighbouring ids."""
    hue = (0.57 + track_id * _GOLDEN) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.62, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)
