"""Secrets with characters that mean something to a shell, to YAML, to a URL, to `.env`, to CSV or to SQL."""

SECRETS = [
    "plain", "a b", 'qu"ote', "it's", "$HOME`id`", "${HOME:-x}$$", "back\\slash", "\\", "@:/?#%&=;<>|*",
    "é漢🙂", " lead ", '"', "'",
]  # fmt: skip
EVERY_CHARACTER = "".join(SECRETS)
