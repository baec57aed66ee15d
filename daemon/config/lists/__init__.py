"""Lists: detectors as rows of a CSV file or workbook instead of TOML, one row a point."""
