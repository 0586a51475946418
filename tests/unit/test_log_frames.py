"""Whatever a runtime writes, and however the pipe cuts it, the same messages come out, whole and bounded."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mayfly_agent import frames
from mayfly_agent.frames import HEADER, LIMIT, Framer, boundary, pieces, readable

TEXT_KIND, JSON_ERROR_KIND = 0xA55A0003, 0xA55A0016


def frame(message: bytes, kind: int = TEXT_KIND) -> bytes:
    return (
        kind.to_bytes(4, "big")
        + len(message).to_bytes(4, "big")
        + (1_764_035_000_000_000).to_bytes(8, "big")
        + message
    )


def messages(*chunks: bytes) -> list[bytes]:
    framer = Framer()
    return [message for chunk in chunks for message in framer.feed(chunk)] + framer.end()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


lines = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])).map(str.encode)
kinds = st.sampled_from([TEXT_KIND, JSON_ERROR_KIND, 0xA55A001B])
framed = st.builds(frame, st.text(st.characters(exclude_categories=["Cs"])).map(str.encode), kinds)
anything = st.lists(
    st.one_of(
        st.binary(max_size=40),
        lines.map(lambda line: line + b"\n"),
        framed,
        st.just(b"\xa5"),
        st.just(b"\xa5\x5a\x00"),
    )
).map(b"".join)
places = st.lists(st.integers(0, 10_000), max_size=30)


@given(anything, places)
def test_any_cutting_of_the_stream_gives_the_same_messages(stream, places):
    assert messages(*cut(stream, places)) == messages(stream)


@given(
    st.lists(
        st.one_of(lines.map(lambda line: (line + b"\n", line)), lines.map(lambda line: (frame(line), line)))
    )
)
def test_lines_and_frames_come_out_as_they_went_in_and_in_their_order(written):
    stream = b"".join(data for data, _ in written)
    expected = [message for data, message in written if not (data == frame(b"") and message == b"")]
    assert messages(stream) == expected


@given(st.binary(max_size=300), places)
def test_of_text_nothing_is_lost(data, places):
    data = data.replace(frames.MAGIC, b"")
    assert b"\n".join(messages(*cut(data, places))) == data.removesuffix(b"\n")


def test_a_frame_may_hold_newlines_and_only_its_last_one_is_dropped():
    assert messages(frame(b"[ERROR] boo\nTraceback\n")) == [b"[ERROR] boo\nTraceback"]


def test_text_before_a_frame_is_a_message_of_its_own():
    assert messages(b"no newline" + frame(b"framed") + b"after\n") == [b"no newline", b"framed", b"after"]


def test_bytes_that_merely_resemble_a_frame_are_text():
    assert messages(b"a\xa5\x5a\x01\x03b\n") == [b"a\xa5\x5a\x01\x03b"]
    assert messages(b"\xa5\x5a\x00\x40 rest\n") == [b"\xa5\x5a\x00\x40 rest"]
    assert messages(b"\xa5\n", b"x\n") == [b"\xa5", b"x"]


def test_what_has_no_newline_yet_is_a_message_once_it_is_flushed():
    framer = Framer()
    assert framer.feed(b"half a line") == []
    assert framer.flush() == [b"half a line"]
    assert framer.feed(b" and the rest\n") == [b" and the rest"]


def test_a_frame_that_is_on_its_way_survives_a_flush():
    framer = Framer()
    data = frame(b"one message")
    for part in (data[:6], data[6 : HEADER + 3]):
        assert framer.feed(part) == []
        assert framer.flush() == []
    assert framer.feed(data[HEADER + 3 :]) == [b"one message"]


def test_a_frame_that_was_never_finished_does_not_swallow_the_next_runtimes_output():
    framer = Framer()
    assert framer.feed(frame(b"killed while it wrote")[:-5]) == []
    assert framer.end() == [b"killed while it "]
    assert framer.feed(b"INIT again\n") == [b"INIT again"]


def test_a_message_of_any_length_is_cut_at_the_limit_and_nothing_is_held_beyond_it():
    for data in (b"x" * (3 * LIMIT + 7) + b"\n", frame(b"x" * (3 * LIMIT + 7))):
        framer = Framer()
        got = []
        for at in range(0, len(data), 50_000):
            got += framer.feed(data[at : at + 50_000])
            assert len(framer._buffer) <= LIMIT + 50_000
        assert [len(message) for message in got] == [LIMIT, LIMIT, LIMIT, 7]


near_limit = st.sampled_from(
    [b"\xa5\n", b"\xa5\x5a\x00", b"\xa5\x5a\x00\x04\n", frame(b"framed"), "🦋🦋\n".encode(), b"\n"]
)


@given(st.integers(-5, 5), near_limit, st.lists(st.integers(-8, 12), max_size=6))
def test_cutting_near_the_limit_changes_nothing(shift, end, near):
    stream = b"y" * (LIMIT + shift) + end
    assert messages(*cut(stream, [LIMIT + place for place in near])) == messages(stream)


def test_a_message_is_not_cut_inside_of_a_character():
    for shift in range(4):
        line = b"y" * (LIMIT - shift) + "🦋".encode() + b"z"
        for stream in (line + b"\n", frame(line)):
            assert "".join(message.decode() for message in messages(stream)) == line.decode()


def test_a_frame_that_lies_about_its_length_holds_no_more_than_the_limit():
    framer = Framer()
    framer.feed(frame(b"")[:4] + b"\xff\xff\xff\xff" + bytes(8))
    for _ in range(100):
        framer.feed(b"x" * 100_000)
        assert len(framer._buffer) <= LIMIT + 100_000


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(0, 50))
def test_no_cut_goes_through_a_character(text, at):
    data = text.encode()
    at = min(at, len(data) - 1)
    place = boundary(data, at)
    assert at - 3 <= place <= at
    if at > 3:
        assert data[:place].decode() + data[place:].decode() == text


def test_pieces_hold_everything_once():
    data = bytes(range(256)) * 5000
    assert b"".join(pieces(data)) == data


@given(st.binary())
def test_any_bytes_are_readable(data):
    assert isinstance(readable(data), str)


def test_an_errors_lines_are_parted_by_line_feeds_whatever_the_client_wrote():
    raw = b"[ERROR] ValueError: boo\rTraceback (most recent call last):\r\xc2\xa0 File"
    assert readable(raw) == "[ERROR] ValueError: boo\nTraceback (most recent call last):\n\xa0 File"
    assert readable(b"progress 1%\rprogress 2%") == "progress 1%\rprogress 2%"
