"""Schedules in plain English."""

import pytest

from volnux.schedules import describe


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("* * * * *", "Every minute"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("@hourly", "Every hour"),
        ("15 * * * *", "At minute 15 past every hour"),
        ("*/7 * * * *", "At minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 past every hour"),
        ("30 6 * * 1-5", "At 06:30 from Monday to Friday"),
        ("@daily", "At 00:00 every day"),
        ("@weekly", "At 00:00 on Sunday"),
        ("@monthly", "At 00:00 on day 1 of the month"),
        ("@yearly", "At 00:00 on day 1 of the month in January"),
        ("0 9,17 * * sat,sun", "At 09:00 and 17:00 on Saturday and Sunday"),
        ("0 */2 * * *", "Every 2 hours"),
        ("0 9-17 * * *", "Every hour from 09:00 to 17:00"),
        ("*/5 8-18 * * mon-fri", "Every 5 minutes from 08:00 to 18:55 from Monday to Friday"),
        ("* 8 * * *", "Every minute from 08:00 to 08:59"),
        ("5,9 */2 * * *", "At minutes 5 and 9 past every 2nd hour"),
        ("0 1,3,5,8,13,20,22 * * *", "At 01:00, 03:00, 05:00, 08:00, 13:00, 20:00 and 22:00"),
        ("0 9 L * *", "At 09:00 on the last day of the month"),
        ("0 9 15,L * *", "At 09:00 on day 15 and on the last day of the month"),
        ("0 0 13 * 5", "At 00:00 on day 13 of the month, and on Friday as well"),
        ("0 0 * * 5#2,1#1", "At 00:00 on the first Monday and second Friday of the month"),
        ("0 0 * * FRI-SUN", "At 00:00 from Friday to Sunday"),
        (
            "0 0 1-5,9 jan-mar,jun *",
            "At 00:00 on days 1 to 5 and 9 of the month in January to March and June",
        ),
    ],
)
def test_a_sentence_for_each_schedule(expression, sentence):
    assert describe(expression) == sentence
