"""Whose terms trained weights are under: those of the data and of all weights that went into them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from chromm_ros.model.checkpoint import read_card
from chromm_ros.model.weight_files import find_weights
from chromm_ros.train.begin import Plan


class Terms(NamedTuple):
    """Fields of a card."""

    source: str
    licence: str
    allows: str


OWN = Terms(
    "trained by chromm_ros on takes of its own synthetic world",
    "Apache-2.0",
    "use, change and pass on, also commercially: nothing but synthetic data of free parts went into them",
)
BEDLAM = Terms(
    "trained by chromm_ros on BEDLAM",
    "BEDLAM's and SMPL-X's",
    "research that is not commercial, by people who are registered for BEDLAM and SMPL-X",
)


def terms(plans: Iterable[Plan]) -> Mapping[str, str]:
    """What a card of weights that came out of these runs has to say.

    Raises:
        FileError: if weights that a run started from are not there any more.
    """
    found = list(dict.fromkeys(each for plan in plans for each in _parts(plan)))
    if len(found) == 1:
        return found[0]._asdict()
    foreign = [each for each in found if each.licence != OWN.licence]
    return Terms(
        "; ".join(each.source for each in found),
        " and ".join(dict.fromkeys(each.licence for each in foreign or found)),
        "; and ".join(dict.fromkeys(each.allows for each in foreign or found)),
    )._asdict()


def _parts(plan: Plan) -> Iterator[Terms]:
    yield BEDLAM if plan.data.bedlam else OWN
    for name in filter(None, (plan.start.weights, plan.start.scene, plan.start.human, plan.start.head)):
        card = read_card(find_weights(name))
        if card is not None and card.licence:
            yield Terms(card.source, card.licence, card.allows)
