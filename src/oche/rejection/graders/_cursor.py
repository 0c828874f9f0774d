"""A place in a list of tokens: what is next, and going on."""

from __future__ import annotations

from oche.rejection.graders._tokens import Token, Unreadable


class Cursor:
    """Reads tokens from left to right.

    Args:
        found: Tokens, the last of kind `end`.
    """

    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.at, self.depth, self.bars = found, 0, 0, 0

    @property
    def now(self) -> Token:
        """The token that is next."""
        return self.tokens[self.at]

    def ahead(self, n: int = 1) -> Token:
        """The token `n` places after the next one; the last one beyond the end."""
        return self.tokens[min(self.at + n, len(self.tokens) - 1)]

    def take(self) -> Token:
        """The next token, and go on; at the end it stays."""
        token = self.now
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def sees(self, *texts: str) -> bool:
        """Whether one of `texts` is next, as a sign, a name or a command."""
        return self.now.kind not in ("end", "text", "number") and self.now.text in texts

    def accept(self, *texts: str) -> Token | None:
        """Take the next token if it is one of `texts`."""
        return self.take() if self.sees(*texts) else None

    def expect(self, text: str) -> None:
        """Take `text`.

        Raises:
            Unreadable: something else is next.
        """
        if not self.accept(text):
            raise Unreadable(f"expected {text!r}, found {self.now.text!r}")
