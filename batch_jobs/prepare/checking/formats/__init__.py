"""The formats that people write rows in. Each parser makes the canonical row of one, or says which field is wrong."""
