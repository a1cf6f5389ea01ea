"""Facts about the four dialects, stated once: functions, memory spaces, limits."""
