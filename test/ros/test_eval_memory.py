"""`eval bag` holds one window, not the recording: the peak of the whole process, of a recording and of one ten times as long.

It speaks no DDS, but takes whole processes, as `eval live` does. Measured with four cameras and three people, `untrained` of size tiny: 558 MB
for 60 moments, 558 MB for 600.
"""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from chromm_ros.data.bag import BagReader
from chromm_ros.data.messages import stamp_ns
from chromm_ros.data.typestore import make_typestore
from chromm_ros.demo.main import BUNDLED
from chromm_ros.evaluate.outcome import Outcome

MOMENTS, STEP_NS, PER_MOMENT = 20, 10**8, 9
"""Messages of four images, four calibrations and a truth."""
IMAGES_MB = 4 * 3 * 320 * 240 / 1e6
"""Of one moment."""
SETTINGS = (
    "model.checkpoint=untrained", "model.size=tiny", "model.device=cpu", "model.scene_pixels=7840", "model.score_min=0.0",
    "model.max_people=3", "window.length=1",
)  # fmt: skip
PEAK = """
import resource, sys
from chromm_ros.__main__ import main
status = main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def repeated(path: Path, times: int) -> Path:
    """The first moments of the bundled take again and again, with later stamps."""
    store = make_typestore()
    with BagReader(BUNDLED["synthetic"]) as bag, Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as out:
        wanted = [name for name in bag.topics if name != "/truth/points"]
        first = [(m, bag.deserialize(m)) for m in islice(bag.messages(wanted), PER_MOMENT * MOMENTS + 1)]
        connections = {name: out.add_connection(name, bag.topics[name].msgtype, typestore=store) for name in wanted}
        for later_ns in range(0, times * MOMENTS * STEP_NS, MOMENTS * STEP_NS):
            for message, content in first:
                if message.topic == "/tf_static":
                    if later_ns:
                        continue
                elif later_ns:
                    now_ns = stamp_ns(content.header.stamp) + MOMENTS * STEP_NS
                    content.header.stamp.sec, content.header.stamp.nanosec = divmod(now_ns, 10**9)
                raw = store.serialize_cdr(content, message.msgtype)
                out.write(connections[message.topic], message.stamp_ns + later_ns, raw)
    return path


def peak_mb(recording: Path, out: Path) -> float:
    """Of a process that evaluates a recording, report and pictures and all."""
    command = [sys.executable, "-c", PEAK, "eval", "bag", str(recording), "--out", str(out), "--set", *SETTINGS]
    done = subprocess.run(command, env=os.environ.copy(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stderr.split()[-1]) * 1024 / 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss are Linux's")
def test_a_recording_ten_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    peaks = {}
    for times in (1, 10):
        peaks[times] = peak_mb(repeated(tmp_path / f"bag{times}", times), tmp_path / f"out{times}")
        assert len(Outcome.read(tmp_path / f"out{times}").series[0].stamps_ns) == times * MOMENTS
    more_mb = 9 * MOMENTS * IMAGES_MB
    assert peaks[10] - peaks[1] < 20.0 < more_mb / 8, f"{peaks} MB; the images of the moments that are more have {more_mb:.0f} MB"
