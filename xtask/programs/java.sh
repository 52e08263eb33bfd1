# needs: java

cat > J.java <<'END'
public class J { public static void main(String[] a) throws Exception { for (int i = 0; i < 5; i++) System.out.println(new ProcessBuilder("sh", "-c", "exit " + i).start().waitFor()); 
 Process[] p = new Process[8]; for (int i = 0; i < 8; i++) p[i] = new ProcessBuilder("sh", "-c", "sleep 0.0" + i + "; exit " + i).start(); for (Process q : p) System.out.println(q.onExit().get().exitValue());
 Process k = new ProcessBuilder("sleep", "60").start(); k.destroyForcibly(); System.out.println(k.waitFor()); } }
END
java -Xshare:auto -XX:TieredStopAtLevel=1 J.java 2>&1
