"""The oracle under the name that the tests beside it know."""

from chromm_ros.synthetic.oracle import IMAGE as IMAGE
from chromm_ros.synthetic.oracle import SIZE as SIZE
from chromm_ros.synthetic.oracle import K as K
from chromm_ros.synthetic.oracle import World as World
from chromm_ros.synthetic.oracle import reordered as reordered
from chromm_ros.synthetic.scene import PERIOD_NS as PERIOD_NS
from chromm_ros.synthetic.scene import body as body
from chromm_ros.synthetic.scene import look_at as look_at
