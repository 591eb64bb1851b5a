"""What the checks share: the server and the models that they are about, and how a check is told.

tests/tests/clients.rs starts each script with the server's address, a valid key and the names of two models: one that
echoes and one that writes stories. One line is printed for each check; the exit status says whether all held.
"""

import os

import openai

from telling import check, tell

BASE_URL = os.environ["INFERNO_BASE_URL"]
KEY = os.environ["INFERNO_API_KEY"]
ECHO = os.environ["INFERNO_ECHO_MODEL"]
STORY = os.environ["INFERNO_STORY_MODEL"]

client = openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=60)


def refused(error_class, status, call):
    """Expects a typed exception whose envelope the client understood."""
    try:
        answer = call()
    except openai.APIStatusError as error:
        assert type(error) is error_class, f"{type(error).__name__}: {error}"
        assert error.status_code == status, error.status_code
        assert error.request_id, "an error carries the request's name"
        assert isinstance(error.body, dict) and error.body["message"], error.body
        return error
    raise AssertionError(f"not refused: {answer}")


def main():
    tell(f"openai {openai.__version__}")
