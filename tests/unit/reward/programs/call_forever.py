# {"verdict":"TLE","time_limit_ms":300,"entry_point":"f","cases":[{"args":[1,2],"expect":731982},{"args":[3,4],"expect":[1,2]}]}
def f(a, b):
    while True: pass
