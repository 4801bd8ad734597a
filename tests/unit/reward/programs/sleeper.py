# {"verdict":"TLE","time_limit_ms":300}
import time
time.sleep(1000)
