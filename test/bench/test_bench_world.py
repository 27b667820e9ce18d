"""The renderer's benchmark gives a rate for every way of taking pictures."""

from chromm_ros.bench import world


def test_every_way_is_timed() -> None:
    (table,) = world.tables(quick=True)
    assert [row.name for row in table.rows] == list(world.WAYS)
    assert all(row.values["views / s"] > 1.0 for row in table.rows)  # type: ignore[operator]  # measured, so no None
    small, large = (table.rows[k].values["ms / view"] for k in (0, 3))
    assert small < large  # type: ignore[operator]
