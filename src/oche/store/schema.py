"""The tables, the same on SQLite and PostgreSQL.

`run` has proposals, a proposal has trials, a trial has measures; samples lie in pools that runs may share; checkpoints are files by
reference; records are the finished results. JSON is kept as text, so that what is read is byte for byte what was written. `meta` says
that the file is ours and in which version of this schema.
"""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, MetaData, String, Table, Text

#: Raised by one with every change of the tables.
VERSION = 2
APPLICATION = "oche"

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

run = Table(
    "run",
    metadata,
    Column("id", String, primary_key=True),
    Column("identity", String, nullable=False),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    # Text: a seed has up to 63 bits and user seeds may have more.
    Column("seed", String, nullable=False),
    Column("settings", Text, nullable=False),
    Column("parallel", Integer, nullable=False),
    Column("order", String, nullable=False),
    Column("threads", Integer, nullable=False),
    Column("budget", Text, nullable=False),
    Column("limit", Text, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("state", Text),
    Column("state_told", Integer, nullable=False),
    Column("state_asked", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("owner", String, nullable=False),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Index("run_name", "name"),
)

proposal = Table(
    "proposal",
    metadata,
    Column("run", String, primary_key=True),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("dna", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("info", Text, nullable=False),
)

trial = Table(
    "trial",
    metadata,
    Column("run", String, primary_key=True),
    Column("proposal", Integer, primary_key=True, autoincrement=False),
    Column("replicate", Integer, primary_key=True, autoincrement=False),
    Column("phase", String, primary_key=True),
    Column("told", Integer),
    Column("status", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reward", Double),
    Column("zone", String),
    Column("metrics", Text, nullable=False),
    Column("cost", Text, nullable=False),
    Column("more", Text, nullable=False),
)

measure = Table(
    "measure",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", String, nullable=False),
    Column("proposal", Integer, nullable=False),
    Column("replicate", Integer, nullable=False),
    Column("step", Double, nullable=False),
    Column("metrics", Text, nullable=False),
    Index("measure_run", "run"),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("run", String, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("boundary", String, primary_key=True),
    Column("path", Text, nullable=False),
    Column("sha256", String, nullable=False),
    Column("state", Text, nullable=False),
)

# Clustered by its key: a sample is read with the others of its query, and there may be millions.
sample = Table(
    "sample",
    metadata,
    Column("pool", String, primary_key=True),
    Column("query", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("proposal", Integer, nullable=False),
    Column("verdict", String, nullable=False),
    Column("distinct", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("answer", Text),
    Column("finish", String, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("money", Double, nullable=False),
    sqlite_with_rowid=False,
)

record = Table(
    "record",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run", String, nullable=False),
    Column("id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("content", Text, nullable=False),
    Column("created", Double, nullable=False),
    Index("record_run", "run"),
)
