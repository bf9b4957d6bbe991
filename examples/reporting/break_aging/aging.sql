-- The rules of aging.py in SQL, over the Parquet files of the reconciliation. For DuckDB.
--   $files      the reconciliation's files of the range
--   $days       the trading days that those files are of
--   $last_day   the last day of the range
WITH rows AS (
    SELECT * FROM read_parquet($files, union_by_name = true)
),
told AS ( -- a day that nobody flattened clears nothing
    SELECT * FROM rows
    ANTI JOIN (SELECT account, trading_day FROM rows WHERE break_type = 'FLATTEN_MISSING') USING (account, trading_day)
),
clearing AS (
    SELECT 'subject' AS scope, subject AS key, trading_day FROM told WHERE NOT is_break
    UNION
    SELECT 'instrument', account || '/' || instrument_id, trading_day FROM told WHERE verdict IN ('ALREADY_FLAT', 'FLAT')
    UNION
    SELECT 'account', account, trading_day FROM told WHERE verdict IS NOT NULL
    GROUP BY account, trading_day HAVING bool_and(verdict <> 'UNVERIFIED')
),
break_keys AS ( -- by what each break row can be cleared
    SELECT subject, trading_day, 'subject' AS scope, subject AS key FROM rows WHERE is_break
    UNION ALL
    SELECT subject, trading_day, 'instrument', account || '/' || instrument_id FROM rows
    WHERE is_break AND instrument_id IS NOT NULL
    UNION ALL
    SELECT subject, trading_day, 'account', account FROM rows
    WHERE is_break AND (instrument_id IS NULL OR break_type = 'UNCONFIGURED_POSITION')
),
in_order AS (
    SELECT
        keyed.subject,
        keyed.trading_day,
        min(clearing.trading_day) FILTER (clearing.trading_day > keyed.trading_day) AS cleared_on,
        max(clearing.trading_day) FILTER (clearing.trading_day < keyed.trading_day) AS last_in_order
    FROM break_keys AS keyed JOIN clearing USING (scope, key)
    GROUP BY keyed.subject, keyed.trading_day
),
breaks AS (
    SELECT
        rows.*,
        in_order.cleared_on,
        in_order.last_in_order,
        lag(in_order.cleared_on) OVER own_days < trading_day AS was_cleared_before
    FROM rows LEFT JOIN in_order USING (subject, trading_day)
    WHERE is_break
    WINDOW own_days AS (PARTITION BY subject ORDER BY trading_day)
),
numbered AS ( -- a break that comes back after it was cleared is another one
    SELECT *, count(*) FILTER (was_cleared_before) OVER (PARTITION BY subject ORDER BY trading_day) AS episode FROM breaks
),
aged AS (
    SELECT
        subject,
        last(account ORDER BY trading_day) AS account,
        last(instrument_id ORDER BY trading_day) AS instrument_id,
        last(position_side ORDER BY trading_day) AS position_side,
        count(*) AS days_seen,
        first(last_in_order ORDER BY trading_day) AS last_in_order,
        min(trading_day) AS first_seen,
        max(trading_day) AS last_seen,
        last(cleared_on ORDER BY trading_day) AS cleared_on,
        last(break_type ORDER BY trading_day) AS break_type,
        string_agg(DISTINCT break_type, ', ' ORDER BY break_type) AS break_types,
        last(severity ORDER BY trading_day) AS severity,
        first(severity ORDER BY trading_day) AS first_severity,
        min(severity) AS worst_severity, -- ERROR comes before WARN
        last(quantity_after_contracts ORDER BY trading_day) AS quantity_contracts,
        last(notional_after_usdt ORDER BY trading_day) AS notional_usdt,
        first(notional_after_usdt ORDER BY trading_day) AS first_notional_usdt,
        max(notional_after_usdt) AS largest_notional_usdt,
        last(flatten_id ORDER BY trading_day) AS flatten_id,
        last(error_codes ORDER BY trading_day) AS error_codes,
        last(reason ORDER BY trading_day) AS reason,
        last(what_to_do ORDER BY trading_day) AS what_to_do,
        coalesce(last(cleared_on ORDER BY trading_day)::DATE, $last_day::DATE + 1) AS ends_on
    FROM numbered GROUP BY subject, episode
),
counted AS (
    SELECT
        *,
        date_diff('day', first_seen::DATE, ends_on) AS days_open,
        date_diff('day', first_seen::DATE, ends_on)
            - len(list_filter($days::VARCHAR[], lambda day: day >= first_seen AND day < ends_on::VARCHAR)) AS days_missing
    FROM aged
)
SELECT
    *,
    $last_day AS as_of,
    days_open - days_seen - days_missing AS days_not_looked,
    CASE WHEN cleared_on IS NOT NULL THEN 'CLEARED' WHEN last_seen = $last_day THEN 'OPEN' ELSE 'UNKNOWN' END AS status,
    CASE
        WHEN days_open <= 1 THEN '1 day'
        WHEN days_open <= 3 THEN '2-3 days'
        WHEN days_open <= 7 THEN '4-7 days'
        WHEN days_open <= 30 THEN '8-30 days'
        ELSE 'over 30 days'
    END AS age_bucket
FROM counted
ORDER BY subject, first_seen
