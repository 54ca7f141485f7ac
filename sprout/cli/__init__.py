"""The command line: every command parses, wires, loops over records, stores and shows."""
