# needs: find

mkdir d; touch d/1 d/2 d/3; find d -type f -exec sh -c 'exit 1' {} \; -o -name 1 -print; find d -type f -exec echo {} + | tr ' ' '\n' | sort
