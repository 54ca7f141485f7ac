"""What a run that may wait for greener hours remembers of its beginning."""

STATEMENTS = (  # block comments: SQLite appends the text of a column to the table's own
    "ALTER TABLE runs ADD COLUMN finish_by TEXT /* NULL: prompts were served at once */",
    "ALTER TABLE runs ADD COLUMN began_g_per_kwh REAL /* intensity when the run began, against"
    " which waiting is judged; NULL: it did not wait */",
)
