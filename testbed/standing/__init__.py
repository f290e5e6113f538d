"""Labs that stand: brought up, worked in by hand, judged when asked, ended. See docs/lab.md."""
