"""Bodies read a second time, from tokens that were changed: what pooling a person's tokens over cameras asks of the network.

The SMPL decoder reads a token together with the people of its image and that image's patches. Both stay as they were, so one image is
read again as a whole, with the tokens of some of its people exchanged; tokens that did not change give the bodies that they gave.
"""

from dataclasses import dataclass, replace
from weakref import ReferenceType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from chromm_ros.model.human_branch import Detections
from chromm_ros.model.people_heads import Bodies, SmplDecoder
from chromm_ros.records import Prediction


@dataclass(frozen=True)
class Kept:
    """What a second reading needs of an inference, on its device: besides the prediction, the human branch's features of F images."""

    prediction: ReferenceType[Prediction]
    """Whose it is."""
    found: Detections
    """The P people."""
    human: Float[Tensor, "F Q E"]
    """Multi-HMR's patch tokens."""
    intrinsics: Float[Tensor, "F 3 3"]
    """In pixels of the human branch's input."""


def read_again(decoder: SmplDecoder, kept: Kept, person: Int[Tensor, "N"], tokens: Float[Tensor, "N E"]) -> Bodies:
    """The bodies of N people if they had these tokens; only their images are looked at.

    Args:
        decoder: that read them first.
        kept: of that inference, whose prediction is still there.
        person: places in the prediction, nobody twice: in one image, all exchanged tokens are read together.
        tokens: to be read in place of these people's own.
    """
    prediction = kept.prediction()
    assert prediction is not None, "the prediction is gone"
    assert len(person.unique()) == len(person), "somebody is to be read from two tokens at once"
    changed = prediction.person_token.clone()
    changed[person] = tokens
    images = kept.found.image[person].unique()
    there = torch.isin(kept.found.image, images).nonzero()[:, 0]  # everybody in them, in order
    found = kept.found[there]
    found = replace(found, image=torch.searchsorted(images, found.image))
    bodies = decoder(changed[there], found, kept.human[images], kept.intrinsics[images])
    mine = torch.searchsorted(there, person)
    return Bodies(**{name: value[mine] for name, value in vars(bodies).items()})
