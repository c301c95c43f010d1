"""What is said of an exception, and what is kept from the log."""

import errno
import io
import logging

import pytest

from workspace.telemetry.failures import WithoutData, for_the_log, in_words


def raised(act) -> BaseException:
    with pytest.raises((ValueError, KeyError)) as caught:
        act()
    return caught.value


def test_a_sentence_of_ours_reaches_the_person_and_a_librarys_words_do_not():
    assert "unexpected problem (ValueError in test_failures)" in in_words(raised(lambda: float("Ada's secret")))
    assert in_words(OSError(errno.ENOSPC, "No space left")).startswith("The disk is full.")
    assert in_words(MemoryError()).startswith("Memory ran out.")


def test_what_a_message_quotes_is_masked_in_the_log_and_the_place_is_kept():
    told = for_the_log(raised(lambda: float("Ada's secret 123")))
    assert "ValueError: could not convert string to float: …" in told
    assert "test_failures.py" in told and "secret 123" not in told.splitlines()[-1]


def test_a_logger_with_the_filter_writes_no_data():
    written = io.StringIO()
    logger, handler = logging.Logger("of this test"), logging.StreamHandler(written)
    logger.addHandler(handler)
    logger.addFilter(WithoutData())
    logger.error("Uncaught app execution", exc_info=raised(lambda: {}["Ada Lovelace, 36"]))
    assert "Uncaught app execution" in written.getvalue() and "KeyError: …" in written.getvalue()
    assert "Lovelace, 36" not in written.getvalue().splitlines()[-1]
