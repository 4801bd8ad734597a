# {"verdict":"RE","entry_point":"f","cases":[{"args":[1,2],"expect":731982},{"args":[3,4],"expect":[1,2]}]}
import sys
def f(a, b): sys.exit(0)
