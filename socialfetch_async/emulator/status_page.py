"""What the emulator shows at `/`: one page without scripts that a browser reloads."""

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>Social Fetch emulator</title>
<style>:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui;margin:3rem auto;max-width:32rem}}
td{{padding:.2rem 1.5rem .2rem 0}}td+td{{font-variant-numeric:tabular-nums}}</style>
<h1>Social Fetch emulator</h1>
<table><tr><td>requests<td>{requests:,}<tr><td>at once, now<td>{here:,}
<tr><td>credits charged<td>{charged:,}<tr><td>credits left<td>{left}</table>
<p>Followers of a profile: <code>/v1/tiktok/profiles/&lt;handle&gt;/followers</code>;
whom it follows: <code>.../following</code>; itself: <code>/v1/tiktok/profiles/&lt;handle&gt;</code>
</p></html>
"""


def status_page(requests: int, charged: int, left: int | None, here: int) -> str:
    """Return the page as HTML."""
    return _PAGE.format(
        requests=requests,
        charged=charged,
        left="without end" if left is None else f"{left:,}",
        here=here,
    )
