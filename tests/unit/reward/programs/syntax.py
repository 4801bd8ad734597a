# {"verdict":"CE"}
print("held"
