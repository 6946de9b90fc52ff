# SPDX-License-Identifier: MIT
# Makes man/directives.mdoc, the list of all directives in musterd.conf(5), of what musterd --directives prints. What that page
# says about each of them stands elsewhere in it, by hand. Run by `make update-directives`.

# Words of mdoc macros: | apart, capitals as what is to be replaced, the rest as it is written.
function value(text,    words, n, i, out, word, macro) {
	if (text ~ /^NAME \{/)
		return ".Ar name No { ... }"
	if (text == "{ ... }")
		return ".No { ... }"
	n = split(text, words, "|")
	for (i = 1; i <= n; i++) {
		word = words[i]
		macro = word ~ /[A-Z]/ ? "Ar" : "Cm"
		out = out (i == 1 ? "." macro " " : " No or " macro " ") (macro == "Ar" ? tolower(word) : word)
	}
	gsub(/\[/, "Oo Ar ", out)
	gsub(/\]/, " Oc", out)
	return out
}

BEGIN {
	FS = "   *"
	print ".\\\" SPDX-License-Identifier: MIT"
	print ".\\\" Made by man/directives.awk, see there."
	print ".Bl -tag -width \"keepalive-requests\" -compact"
}

NR > 1 {
	if (NF != 5) {
		print "not a line of musterd --directives: " $0 >"/dev/stderr"
		exit 1
	}
	print ".It Ic " $1
	print value($2) " ;"
	if ($3 == "anywhere")
		print "anywhere;"
	else if ($3 == "top level")
		print "top level;"
	else {
		gsub(/,/, " ,", $3)
		print "in"
		print ".Ic " $3 " ;"
	}
	if ($4 == "required")
		print "required;"
	else if ($4 != "-") {
		print "default"
		print ".Li " $4 " ;"
	}
	gsub(/\\/, "\\e", $5)
	print $5
}

END {
	print ".El"
}
