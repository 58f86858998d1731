"""Says what a call of python-gitlab has to raise; used by the stories beside it."""

import gitlab


def expect(error, status, call):
    """Asserts that `call` raises exactly `error` with the HTTP status `status`."""
    try:
        call()
    except gitlab.exceptions.GitlabError as raised:
        assert type(raised) is error, f"expected {error.__name__}, got {raised!r}"
        assert raised.response_code == status, f"expected {status}, got {raised!r}"
    else:
        raise AssertionError(f"expected {error.__name__}, got an answer")
