import time, os, signal
from .process import group_members
def test_x(start_httpd):
  for d in (0, 0.02, 0.05, 0.3):
    s = start_httpd(mpm="prefork", load_wsgi=False)
    s.get("/")
    p = s._process
    kids = s.children()
    def st(pid):
        try: return open(f"/proc/{pid}/stat").read().split()[2], open(f"/proc/{pid}/syscall").read().split()[0]
        except OSError as e: return "gone"
    time.sleep(d)
    print(d)
    t=time.monotonic(); p.send_signal(signal.SIGTERM)
    last=None
    while time.monotonic()-t<1.5:
        r = p.poll()
        x=(st(p.pid), [st(k) for k in kids], r)
        if x!=last: print(round(time.monotonic()-t,4), x); last=x
