"""Instances of TSPLIB: every form of its tables, its geographic lengths, and files that are not as they should be."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from tests.tasks.attending import data
from tinyaug.data import tsplib
from tinyaug.data.points import distances, shortest_tour, tour_length

TABLE = np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]])
FORMS = {"FULL_MATRIX": "0 3 4 3 0\n5 4 5 0", "UPPER_ROW": "3 4\n5", "LOWER_ROW": "3\n4 5", "UPPER_DIAG_ROW": "0 3 4 0 5 0",
         "LOWER_DIAG_ROW": "0\n3 0\n4 5 0"}


def instance(folder, kind, body, name="here.tsp"):
    path = folder / name
    path.write_text(f"NAME : here\nTYPE: TSP\nDIMENSION: 3\nEDGE_WEIGHT_TYPE: {kind}\n{body}\nEOF\n")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_tables_of_every_form(tmp_path, form):
    path = instance(tmp_path, "EXPLICIT", f"EDGE_WEIGHT_FORMAT: {form}\nEDGE_WEIGHT_SECTION\n{FORMS[form]}")
    found = tsplib.read_instance(path)
    assert found.name == "here" and found.shortest is None and (found.distance == TABLE).all()
    shape = distances(found.points)
    np.testing.assert_allclose(shape / shape.max(), TABLE / 5, atol=1e-9)         # a table that lies on a plane
    assert found.points.min() == 0 and found.points.max() == 1


@pytest.mark.parametrize("kind, first", [("EUC_2D", 3), ("CEIL_2D", 4), ("ATT", 2)])
def test_lengths_on_the_plane(tmp_path, kind, first):
    """Points 3.2 apart: rounded, rounded up, and over the root of ten rounded up."""
    found = tsplib.read_instance(instance(tmp_path, kind, "NODE_COORD_SECTION\n1 0 0\n2 3.2 0\n3 0 4e1"))
    assert found.distance[0, 1] == first == found.distance[1, 0] and found.distance[2, 2] == 0
    np.testing.assert_allclose(found.points, [[0, 0], [0.08, 0], [0, 1]])


def test_geographic_lengths_by_hand():
    """A quarter of the equator, and a degree and thirty minutes along it."""
    found = tsplib.geographic(np.array([[0, 0], [0, 90], [0, 1.30]]))
    assert found[0, 1] == int(6378.388 * np.pi / 2 + 1) and found[0, 2] == int(6378.388 * np.radians(1.5) + 1)


def test_shortest_lengths_are_told_in_two_ways_and_archives_are_read(tmp_path):
    instance(tmp_path, "EUC_2D", "NODE_COORD_SECTION\n1 0 0\n2 3 0\n3 0 4")
    assert tsplib.read(tmp_path)[0].shortest is None
    (tmp_path / "here.opt.tour").write_text("NAME : x\nCOMMENT : Optimum solution for here (12)\nTOUR_SECTION\n1\n99\n")
    assert tsplib.read(tmp_path / "here.tsp")[0].shortest == 12
    (tmp_path / "solutions").write_text("here : 13\nthere : 2 (CEIL_2D)\n")
    packed = tmp_path / "all.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "solutions", "tsplib/solutions")
        content = gzip.compress((tmp_path / "here.tsp").read_bytes())
        member = tarfile.TarInfo("tsplib/here.tsp.gz")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    assert [(found.name, found.shortest) for found in tsplib.read(packed)] == [("here", 13)]


@pytest.mark.parametrize("kind, body, says", [
    ("XRAY1", "NODE_COORD_SECTION\n1 0 0\n2 1 0\n3 0 1", "got EDGE_WEIGHT_TYPE XRAY1, expected EXPLICIT, GEO or one of"),
    ("EXPLICIT", "EDGE_WEIGHT_FORMAT: UPPER_COL\nEDGE_WEIGHT_SECTION\n1 2", "got EDGE_WEIGHT_FORMAT UPPER_COL"),
    ("EXPLICIT", "EDGE_WEIGHT_FORMAT: UPPER_ROW\nEDGE_WEIGHT_SECTION\n1 2", "here.tsp: "),
    ("EUC_2D", "NODE_COORD_SECTION\n1 0 0\n2 x 0", "here.tsp:7: expected numbers, got '2 x 0'"),
    ("EUC_2D", "nothing", "here.tsp:5: expected `KEY : value`, a section or numbers, got 'nothing'"),
    ("EUC_2D", "NODE_COORD_SECTION\n1 0 0", "here.tsp: "),
])
def test_what_cannot_be_read_is_named(tmp_path, kind, body, says):
    with pytest.raises(ValueError) as error:
        tsplib.read_instance(instance(tmp_path, kind, body))
    assert says in str(error.value)


def test_a_file_without_its_size_is_named(tmp_path):
    (tmp_path / "x.tsp").write_text("NAME: x\n")
    with pytest.raises(ValueError, match="x.tsp: expected DIMENSION, got an instance without"):
        tsplib.read(tmp_path / "x.tsp")


def test_the_exact_solver_finds_the_length_that_the_library_tells():
    """burma14 has geographic lengths."""
    found = {x.name: x for x in tsplib.read(data("tsplib/tsplib_up_to_30_cities.tar.gz"))}
    assert sorted(found) == ["bayg29", "bays29", "burma14", "fri26", "gr17", "gr21", "gr24", "ulysses16", "ulysses22"]
    lengths = found["burma14"].distance[None]
    assert tour_length(lengths, shortest_tour(lengths))[0] == found["burma14"].shortest == 3323
    assert all((x.distance == x.distance.T).all() and x.points.shape == (len(x.distance), 2) for x in found.values())
