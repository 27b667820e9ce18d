# Everything from a fresh clone: `make demo`, `make test`. The work is done by the scripts in .ci/; this file says what needs what.
PYTHON ?= python3
INPUT  ?=
ARGS   ?=

VENV := .venv
# A stamp of its own for each ROS, so that sourcing a distribution later is noticed.
ROS  := $(or $(ROS_DISTRO),wheels)
PACKAGES := $(VENV)/.packages-$(ROS)
BUILT    := $(VENV)/.built-$(ROS)
IN_ROS   := . $(VENV)/ros_env.sh &&
LINTED   := $(wildcard chromm_ros test launch underlay .ci setup.py)

.PHONY: help setup build test lint demo clean
help:
	@echo 'make demo [INPUT=bag]   the main job on the bundled recording with truth, on INPUT=real, or on your bag; results in out/'
	@echo 'make test [ARGS=...]    all tests, with options for pytest'
	@echo 'make lint               ruff and mypy'
	@echo 'make setup              virtual environment, ROS 2, messages (the others do it when needed)'
	@echo 'make clean              remove what setup made'
	@echo 'Options: PYTHON=python3.12, TORCH_INDEX=https://... (empty: no extra index)'

setup build: $(BUILT)

$(PACKAGES): .ci/packages.py .ci/environment.py $(wildcard .ci/requirements*.txt)
	@command -v $(PYTHON) >/dev/null || { echo 'error: no $(PYTHON) found: `sudo apt install python3-venv`, or name one by PYTHON=' >&2; exit 1; }
	@$(PYTHON) .ci/packages.py
	@touch $@

# Edits of Python files need no build: ros_env.sh puts this folder first, and colcon installs links.
$(BUILT): $(PACKAGES) .ci/build.py CMakeLists.txt package.xml $(wildcard msg/* launch/* config/* config/*/* chromm_ros/ros/*node.py) \
          $(wildcard underlay/*/* underlay/*/msg/* underlay/*/tf2_ros/*)
	@$(PYTHON) .ci/build.py
	@touch $@

test: $(BUILT)
	@$(IN_ROS) python -c 'import rclpy, tf2_ros, chromm_ros.msg' \
	  || { echo 'error: ROS 2 cannot be imported: `make clean`, then `make test` again' >&2; exit 1; }
	@$(IN_ROS) python .ci/test.py $(ARGS)

lint: $(PACKAGES)
	@$(VENV)/bin/ruff check --config .ci/ruff.toml $(LINTED)
	@$(VENV)/bin/ruff format --check --config .ci/ruff.toml $(LINTED)
	@$(VENV)/bin/mypy --config-file .ci/mypy.ini

demo: $(BUILT)
	@$(IN_ROS) python -m chromm_ros demo $(INPUT) $(ARGS)

clean:
	rm -rf $(VENV) build install log .pytest_cache .mypy_cache .ruff_cache .hypothesis
