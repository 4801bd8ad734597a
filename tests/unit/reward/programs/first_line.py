# {"verdict":"WA","output":"held\nfirm\n"}
print("held")
