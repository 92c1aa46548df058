"""Where the loaders look, what they verify, and what they leave behind."""

import dataclasses
import hashlib
import io
import zipfile

import pandas as pd
import pytest

from skcfq.datasets import (
    _adult,
    _bank_marketing,
    _credit_default,
    _files,
    fetch_adult,
    fetch_bank_marketing,
    fetch_credit_default,
    fetch_german_credit,
)
from skcfq.datasets._files import PublishedFile, data_folder, locate

CONTENT = b"1,2\n3,4\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = b"1,2\n3,5\n"
OTHER_SHA256 = hashlib.sha256(OTHER).hexdigest()
ELSEWHERE = "name the folder that holds it in data_home or in the environment variable SKCFQ_DATA"


def small_file(url="https://example.org/small.csv", **fields):
    return PublishedFile(name="small.csv", sha256=SHA256, url=url, **fields)


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def fail(*args, **kwargs):
    raise AssertionError("the loader tried to download")


class TestFolder:
    def test_data_home_comes_before_the_environment(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SKCFQ_DATA", str(tmp_path / "environment"))
        assert data_folder(tmp_path / "named") == tmp_path / "named"
        assert data_folder(str(tmp_path / "named")) == tmp_path / "named"

    def test_the_environment_comes_before_the_cache(self, monkeypatch, tmp_path):
        monkeypatch.setattr(_files.pooch, "os_cache", lambda project: tmp_path / project)
        monkeypatch.setenv("SKCFQ_DATA", str(tmp_path / "environment"))
        assert data_folder() == tmp_path / "environment"

    @pytest.mark.parametrize("value", [None, ""])
    def test_the_cache_comes_last(self, monkeypatch, tmp_path, no_environment, value):
        monkeypatch.setattr(_files.pooch, "os_cache", lambda project: tmp_path / project)
        if value is not None:
            monkeypatch.setenv("SKCFQ_DATA", value)
        assert data_folder() == tmp_path / "skcfq"

    def test_home_is_expanded(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert data_folder("~/data") == tmp_path / "data"

    def test_loader_reads_data_home_and_not_the_environment(self, monkeypatch, tmp_path, real_data):
        monkeypatch.setenv("SKCFQ_DATA", str(tmp_path))
        assert len(fetch_german_credit(data_home=real_data, download_if_missing=False).data) == 1000
        with pytest.raises(OSError, match=r"german\.data .* is not in"):
            fetch_german_credit(download_if_missing=False)


class TestLocalFile:
    def test_present_file_is_not_downloaded(self, monkeypatch, tmp_path):
        monkeypatch.setattr(_files.pooch, "HTTPDownloader", fail)
        (tmp_path / "small.csv").write_bytes(CONTENT)
        assert locate("loader", [small_file()], data_home=tmp_path) == [tmp_path / "small.csv"]

    def test_missing_file(self, tmp_path):
        with pytest.raises(OSError) as error:
            locate("loader", [small_file()], data_home=tmp_path, download_if_missing=False)
        assert str(error.value) == (
            f"loader: small.csv (SHA-256 {SHA256}) is not in {tmp_path}. Allow "
            f"download_if_missing to fetch it from https://example.org/small.csv, or {ELSEWHERE}."
        )

    @pytest.mark.parametrize("download_if_missing", [True, False])
    def test_corrupted_file_is_refused_and_kept(self, monkeypatch, tmp_path, download_if_missing):
        monkeypatch.setattr(_files.pooch, "HTTPDownloader", fail)
        (tmp_path / "small.csv").write_bytes(OTHER)
        with pytest.raises(OSError) as error:
            locate(
                "loader",
                [small_file()],
                data_home=tmp_path,
                download_if_missing=download_if_missing,
            )
        assert str(error.value) == (
            f"loader: {tmp_path / 'small.csv'} is not the published file: its SHA-256 is "
            f"{OTHER_SHA256}, expected was {SHA256}. Delete it to fetch it again from "
            f"https://example.org/small.csv, or {ELSEWHERE}."
        )
        assert (tmp_path / "small.csv").read_bytes() == OTHER

    def test_all_files_are_named_at_once(self, tmp_path):
        with pytest.raises(OSError) as error:
            fetch_adult(data_home=tmp_path, download_if_missing=False)
        lines = str(error.value).splitlines()
        assert lines[0] == "fetch_adult has 2 problems:"
        assert lines[1].startswith(f"  1. adult.data (SHA-256 {_adult.TRAIN_FILE.sha256}) is not")
        assert lines[2].startswith(f"  2. adult.test (SHA-256 {_adult.TEST_FILE.sha256}) is not")

    def test_missing_file_in_an_archive_names_the_way_through_it(self, tmp_path):
        with pytest.raises(OSError) as error:
            fetch_bank_marketing(data_home=tmp_path, download_if_missing=False)
        assert (
            "fetch it from https://archive.ics.uci.edu/static/public/222/bank+marketing.zip "
            "(bank.zip, in it bank-full.csv), or"
        ) in str(error.value)


class TestDownload:
    def test_verified_file_is_stored_alone(self, tmp_path, publisher, scratch):
        folder, address = publisher
        (folder / "small.csv").write_bytes(CONTENT)
        home = tmp_path / "new" / "home"
        (path,) = locate("loader", [small_file(f"{address}/small.csv")], data_home=home)
        assert path.read_bytes() == CONTENT
        assert list(home.iterdir()) == [path]
        assert list(scratch.iterdir()) == []

    def test_second_call_does_not_download(self, monkeypatch, tmp_path, publisher):
        folder, address = publisher
        (folder / "small.csv").write_bytes(CONTENT)
        file = small_file(f"{address}/small.csv")
        locate("loader", [file], data_home=tmp_path)
        monkeypatch.setattr(_files.pooch, "HTTPDownloader", fail)
        assert locate("loader", [file], data_home=tmp_path) == [tmp_path / "small.csv"]

    def test_wrong_checksum_leaves_nothing(self, tmp_path, publisher, scratch):
        folder, address = publisher
        (folder / "small.csv").write_bytes(OTHER)
        home = tmp_path / "home"
        with pytest.raises(OSError) as error:
            locate("loader", [small_file(f"{address}/small.csv")], data_home=home)
        assert str(error.value) == (
            f"loader: {address}/small.csv sent a small.csv that is not the published file: its "
            f"SHA-256 is {OTHER_SHA256}, expected was {SHA256}. Nothing was stored; try again "
            f"later, or {ELSEWHERE}."
        )
        assert not home.exists()
        assert list(scratch.iterdir()) == []

    def test_absent_at_the_publisher_leaves_nothing(self, tmp_path, publisher, scratch):
        _, address = publisher
        home = tmp_path / "home"
        with pytest.raises(OSError) as error:
            locate("loader", [small_file(f"{address}/small.csv")], data_home=home)
        message = str(error.value)
        assert message.startswith(
            f"loader: small.csv (SHA-256 {SHA256}) could not be fetched from {address}/small.csv "
            f"into {home}: 404 "
        )
        assert message.endswith(f". Nothing was stored; try again later, or {ELSEWHERE}.")
        assert not home.exists()
        assert list(scratch.iterdir()) == []

    def test_interrupted_download_leaves_nothing(self, monkeypatch, tmp_path, scratch):
        class Interrupted:
            def __init__(self, **options):
                pass

            def __call__(self, url, output_file, pooch):
                with open(output_file, "wb") as part:
                    part.write(CONTENT[:3])
                raise KeyboardInterrupt

        monkeypatch.setattr(_files.pooch, "HTTPDownloader", Interrupted)
        home = tmp_path / "home"
        with pytest.raises(KeyboardInterrupt):
            locate("loader", [small_file()], data_home=home)
        assert not home.exists()
        assert list(scratch.iterdir()) == []

    def test_nested_archive(self, tmp_path, publisher):
        folder, address = publisher
        inner = zipped(**{"small.csv": CONTENT})
        (folder / "outer.zip").write_bytes(zipped(**{"inner.zip": inner}))
        file = small_file(f"{address}/outer.zip", members=("inner.zip", "small.csv"))
        (path,) = locate("loader", [file], data_home=tmp_path)
        assert path.read_bytes() == CONTENT

    @pytest.mark.parametrize(
        ("sent", "reason"),
        [
            (zipped(other=b""), "There is no item named 'small.csv' in the archive"),
            (b"<html>moved</html>", "File is not a zip file"),
        ],
    )
    def test_wrong_archive(self, tmp_path, publisher, sent, reason):
        folder, address = publisher
        (folder / "outer.zip").write_bytes(sent)
        file = small_file(f"{address}/outer.zip", members=("small.csv",))
        with pytest.raises(OSError, match="could not be fetched") as error:
            locate("loader", [file], data_home=tmp_path / "home")
        assert reason in str(error.value)
        assert not (tmp_path / "home").exists()


class TestPublishersArchives:
    """The two loaders whose file is inside an archive, from the archive to the frame."""

    def test_bank_marketing(self, monkeypatch, tmp_path, publisher, real_data):
        folder, address = publisher
        name = "bank-full.csv"
        inner = zipped(**{name: (real_data / name).read_bytes(), "bank.csv": b""})
        (folder / "bank.zip").write_bytes(zipped(**{"bank.zip": inner}))
        file = dataclasses.replace(_bank_marketing.FILE, url=f"{address}/bank.zip")
        monkeypatch.setattr(_bank_marketing, "FILE", file)
        bank = fetch_bank_marketing(data_home=tmp_path)
        pd.testing.assert_frame_equal(bank.frame, fetch_bank_marketing(data_home=real_data).frame)
        assert (tmp_path / name).read_bytes() == (real_data / name).read_bytes()

    @pytest.fixture
    def workbook(self, monkeypatch, publisher):
        """An archive with a stand-in for the workbook, which has the stand-in's checksum."""
        folder, address = publisher
        content = b"not a real workbook"
        archive = zipped(**{"default of credit card clients.xls": content})
        (folder / "default.zip").write_bytes(archive)
        file = dataclasses.replace(_credit_default.FILE, url=f"{address}/default.zip")
        monkeypatch.setattr(_credit_default, "FILE", file)
        monkeypatch.setattr(_credit_default, "WORKBOOK_SHA256", hashlib.sha256(content).hexdigest())
        return folder / "default.zip"

    def test_credit_default_is_converted(self, monkeypatch, tmp_path, workbook, real_data):
        name = "default-of-credit-card-clients.csv"

        def read_excel(source, *, sheet_name, header, engine):
            assert (sheet_name, header, engine) == ("Data", 1, "xlrd")
            return pd.read_csv(real_data / name)

        monkeypatch.setattr(pd, "read_excel", read_excel)
        assert fetch_credit_default(data_home=tmp_path).frame.shape == (30000, 24)
        assert (tmp_path / name).read_bytes() == (real_data / name).read_bytes()

    def test_credit_default_needs_xlrd(self, monkeypatch, tmp_path, workbook):
        def read_excel(*args, **kwargs):
            raise ImportError("no xlrd")

        monkeypatch.setattr(pd, "read_excel", read_excel)
        with pytest.raises(ImportError) as error:
            fetch_credit_default(data_home=tmp_path / "home")
        assert str(error.value) == (
            "fetch_credit_default: default-of-credit-card-clients.csv is published as an Excel "
            "workbook, and reading that needs xlrd: run `pip install xlrd`. Or name the folder "
            "that holds the CSV file in data_home or in the environment variable SKCFQ_DATA."
        )
        assert not (tmp_path / "home").exists()

    def test_another_workbook_is_refused_unread(self, monkeypatch, tmp_path, workbook):
        workbook.write_bytes(zipped(**{"default of credit card clients.xls": b"changed"}))
        monkeypatch.setattr(pd, "read_excel", fail)
        with pytest.raises(OSError, match=r"the workbook has SHA-256 [0-9a-f]{64}, expected was"):
            fetch_credit_default(data_home=tmp_path)
