# {"verdict":"WA"}
import sys
sys.exit(0)
print("held")
