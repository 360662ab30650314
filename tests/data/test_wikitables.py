"""WikiTableQuestions: the release is read as it is written, and answers are judged as its evaluator judges them."""

import gzip
import io
import tarfile

import pytest

from tinyaug.data.wikitables import Asked, Release, ReleaseError, matches, normalise, unescape, value

QUESTIONS = "id\tutterance\tcontext\ttargetValue\nnt-0\twhich\\ncity?\tcsv/1-csv/1.csv\tA\\pB|C\n"
TABLE = '"City","Note"\n"Rome","said \\"hi\\"\nand left"\n"Oslo","a\\\\b"\n'


def folder(path, questions=QUESTIONS, table=TABLE):
    root = path / "WikiTableQuestions"
    (root / "data").mkdir(parents=True)
    (root / "csv" / "1-csv").mkdir(parents=True)
    (root / "data" / "training.tsv").write_text(questions)
    (root / "csv" / "1-csv" / "1.csv").write_text(table)
    return path


def archive(path):
    """The same as a .tar.xz."""
    with tarfile.open(path / "release.tar.xz", "w:xz") as tar:
        for name, text in (("data/training.tsv", QUESTIONS), ("csv/1-csv/1.csv", TABLE)):
            member = tarfile.TarInfo(f"WikiTableQuestions/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path / "release.tar.xz"


@pytest.mark.parametrize("kind", [folder, archive])
def test_questions_and_tables_with_their_escapes(kind, tmp_path):
    release = Release(kind(tmp_path))
    assert release.questions("training") == [Asked("nt-0", "which\ncity?", "csv/1-csv/1.csv", ["A|B", "C"])]
    table = release.table("csv/1-csv/1.csv")
    assert table.names == ["City", "Note"] and table.rows == [["Rome", 'said "hi"\nand left'], ["Oslo", "a\\b"]]


def test_an_archive_in_a_folder_with_another_split_beside_it(tmp_path):
    archive(tmp_path)
    (tmp_path / "pristine-seen-tables.tsv.gz").write_bytes(gzip.compress(QUESTIONS.replace("nt-0", "ns-0").encode()))
    release = Release(tmp_path)
    assert [release.questions(split)[0].id for split in ("training", "pristine-seen-tables")] == ["nt-0", "ns-0"]


def test_the_tagged_files_say_what_an_answer_amounts_to(tmp_path):
    root = folder(tmp_path) / "WikiTableQuestions" / "tagged" / "data"
    root.mkdir(parents=True)
    (root / "training.tagged").write_text("id\ttargetValue\ttargetCanon\nnt-0\tA\\pB|C\tA\\pB|7.0\n")
    asked, = Release(tmp_path).questions("training")
    assert asked.canon == ["A|B", "7.0"] and matches(["seven"], ["7"], ["7.0"]) and not matches(["seven"], ["7"])


def test_escapes_are_read_from_left_to_right():
    assert unescape(r"a\\nb") == r"a\nb" and unescape(r"a\nb\pc") == "a\nb|c"


@pytest.mark.parametrize("change, says", [
    ({"questions": "id\tquestion\n"}, "data/training.tsv:1: expected id utterance context targetValue"),
    ({"questions": QUESTIONS + "nt-1\tshort\n"}, "data/training.tsv:3: expected 4 fields between tabs, got 2"),
    ({"table": '"a","b"\n"1"\n'}, "csv/1-csv/1.csv: row 2: expected 2 columns, got 1"),
    ({"table": '"a","b"\n'}, "csv/1-csv/1.csv:1: expected a line of column names and at least one row, got 1 lines"),
])
def test_what_is_wrong_is_told_by_file_and_line(change, says, tmp_path):
    release = Release(folder(tmp_path, **change))
    with pytest.raises(ReleaseError) as error:
        release.questions("training")
        release.table("csv/1-csv/1.csv")
    assert says in str(error.value)


def test_what_is_no_release_is_told(tmp_path):
    with pytest.raises(ReleaseError, match="expected a release"):
        Release(tmp_path)
    (tmp_path / "x.tar.xz").write_bytes(b"no archive")
    with pytest.raises(ReleaseError, match="expected a folder or an archive"):
        Release(tmp_path / "x.tar.xz")
    release = Release(folder(tmp_path / "release"))
    with pytest.raises(ReleaseError, match="got no csv/9.csv"):
        release.table("csv/9.csv")


@pytest.mark.parametrize("text, plain", [
    ("Caf\u00e9", "cafe"), ("\u201cHi\u201d", "hi"), ("1990\u20132000", "1990-2000"), ("Rome[1]", "rome"),
    ("Rome \u2020*", "rome"), ("Rome (Italy)", "rome"), ("Rome (Italy) (old)[2]", "rome"), ('"Rome"', "rome"),
    ("The  end.", "the end"), ("(only)", "(only)"),
])
def test_normalisation(text, plain):
    """Each rule that the official evaluator documents."""
    assert normalise(text) == plain


@pytest.mark.parametrize("text, found", [
    ("3", ("number", 3.0)), ("3.50", ("number", 3.5)), ("2001-05-xx", ("date", (2001, 5, None))),
    ("xx-01-12", ("date", (None, 1, 12))), ("1990-xx-xx", ("number", 1990.0)), ("2001-13-01", ("text", "2001-13-01")),
    ("inf", ("text", "inf")), ("Rome (Italy)", ("text", "rome")),
])
def test_values(text, found):
    assert value(text) == found


@pytest.mark.parametrize("target, predicted, right", [
    (["3"], ["3.0"], True), (["3"], ["4"], False), (["Rome"], ["rome."], True), (["Rome", "Oslo"], ["Oslo", "Rome"], True),
    (["Rome", "Oslo"], ["Rome"], False), (["Rome"], ["Rome", "Oslo"], False), (["Rome"], ["Rome", "rome"], True),
    (["xx-01-12"], ["1990-01-12"], False), (["2001-05-03"], ["2001-5-3"], True), (["Rome"], [], False),
    (["10 years"], ["10"], False), (["1,200"], ["1200"], True), (["1,200"], ["1,200"], True), (["1200"], ["1,200"], False),
])
def test_matching(target, predicted, right):
    assert matches(target, predicted) == right
