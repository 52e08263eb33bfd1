# needs: mpirun

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent=false
mpirun --oversubscribe -n 3 sh -c 'echo rank $OMPI_COMM_WORLD_RANK; sh -c "exit 5"; exit 0' | sort; echo $?
mpirun --oversubscribe -n 2 sh -c 'exit 9' >/dev/null 2>&1; echo $?
