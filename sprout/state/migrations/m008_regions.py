"""What NESO said of a region's slot after its end was stored as a forecast: an estimate."""

STATEMENTS = (
    """
    UPDATE OR IGNORE intensities SET is_forecast = 0, is_estimated = 1
        WHERE source = 'neso' AND is_forecast = 1 AND upper(trim(zone)) NOT IN ('GB', 'UK')
        AND CAST(strftime('%s', start_utc) AS INTEGER) + duration_s
            <= CAST(strftime('%s', fetched_at) AS INTEGER)
    """,
)
